-- offer the steps again that worker $1 took, which is gone; $2 is 1 where it died over them
update tasker.offers
set taker = null,
    deaths = deaths + $2
where taker = $1
