-- let others serve what worker $1 served
update tasker.subscriptions
set owner = null
where owner = $1
