-- What a process must have and serve to run what is offered, as one text: the key of the handler, or what the
-- template writes with its namespace, the queue, and whether it is a compensation. Offers that are alike are
-- found under one text.
alter table tasker.offers add column target text not null default '';
update tasker.offers set target = json_build_array(handler, null, queue, false)::text;
drop index tasker.offers_open;
create index offers_open on tasker.offers (target, offered_at) where taker is null;
