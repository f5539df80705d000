-- What a process must have and serve to run what is offered, as one text: the key of the handler, or what the
-- template writes with its namespace, the queue, and whether it is a compensation. Offers that are alike are
-- found under one text.
alter table offers add column target text not null default '';
update offers set target = json_array(handler, null, queue, json('false'));
drop index offers_open;
create index offers_open on offers (target, offered_at) where taker is null;
