-- let subscription $1 go on after position $2; who serves it finds that it is to begin anew
update tasker.subscriptions
set position = $2,
    owner = null,
    lease = lease + 1
where name = $1
returning id
