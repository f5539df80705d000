-- give subscription $1 the state $2 at $3; who serves it finds that it is to begin anew
update tasker.subscriptions
set state = $2,
    since = case when state = $2 then since else $3 end,
    owner = null,
    lease = lease + 1
where name = $1
returning id
