-- Who is told of the events of the log: up to where each subscription was, and the worker that serves it.
create table tasker.subscriptions (
    id bigint generated always as identity primary key,
    name text not null unique,
    kind smallint not null,
    patterns json not null,
    namespaces json not null,
    target json,
    position bigint not null,
    owner bigint,
    lease bigint not null default 0,
    state smallint not null,
    since bigint not null,
    created_at bigint not null
);

-- Events that a subscription could not be told of yet, or waits to be after them; without a next time: never.
create table tasker.parked (
    subscription_id bigint not null,
    position bigint not null,
    task_id bigint not null,
    next_at bigint,
    attempts integer not null,
    redelivered smallint not null,
    error json,
    primary key (subscription_id, position)
);
create index parked_dead on tasker.parked (position) where next_at is null;
