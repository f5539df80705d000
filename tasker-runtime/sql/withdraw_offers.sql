-- take back what worker $1 offers and nobody has taken
delete from tasker.offers
where owner = $1
  and taker is null
