-- read what is on offer and taken by nobody, each target once, the one that has waited longest first
-- Goes from one target to the next in the index: many offers for one target cost no more than one.
with recursive open (target) as (
    select min(target)
    from tasker.offers
    where taker is null
    union all
    select (
        select min(o.target)
        from tasker.offers o
        where o.taker is null
          and o.target > open.target
    )
    from open
    where open.target is not null
)
select target
from open
where target is not null
order by (
    select min(o.offered_at)
    from tasker.offers o
    where o.taker is null
      and o.target = open.target
)
