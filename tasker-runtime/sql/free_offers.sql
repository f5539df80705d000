-- offer the steps again that worker $1 took, which is gone
update tasker.offers
set taker = null
where taker = $1
