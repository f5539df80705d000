-- let whoever serves subscription $1 find that it is to begin anew
update tasker.subscriptions
set owner = null,
    lease = lease + 1
where name = $1
returning id, position
