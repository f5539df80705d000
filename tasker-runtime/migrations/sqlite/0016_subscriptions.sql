-- Who is told of the events of the log: up to where each subscription was, and the worker that serves it.
create table subscriptions (
    id integer primary key,
    name text not null unique,
    kind integer not null,
    patterns text not null,
    namespaces text not null,
    target text,
    position integer not null,
    owner integer,
    lease integer not null default 0,
    state integer not null,
    since integer not null,
    created_at integer not null
) strict;

-- Events that a subscription could not be told of yet, or waits to be after them; without a next time: never.
create table parked (
    subscription_id integer not null,
    position integer not null,
    task_id integer not null,
    next_at integer,
    attempts integer not null,
    redelivered integer not null,
    error text,
    primary key (subscription_id, position)
) strict, without rowid;
create index parked_dead on parked (position) where next_at is null;
