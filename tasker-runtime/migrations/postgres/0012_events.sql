-- The log of domain events: what steps published, in the transaction of the outcome it tells of.
-- Positions are given out before a commit, so who reads by them must know how far all before is settled; the numbers
-- of one task have no gaps.
create table tasker.events (
    position bigint generated always as identity unique,
    task_id bigint not null,
    at bigint not null,
    seq integer not null,
    step integer not null,
    attempt integer not null,
    place integer not null,
    mode smallint not null,
    outcome smallint not null,
    name text not null,
    payload json not null,
    primary key (task_id, seq)
);

-- Events that could not be published, and why.
create table tasker.event_letters (
    task_id bigint not null,
    at bigint not null,
    step integer not null,
    attempt integer not null,
    place integer not null,
    mode smallint not null,
    outcome smallint not null,
    name text not null,
    reason text not null,
    detail text not null,
    payload json not null,
    primary key (task_id, step, attempt, place)
);

-- Nothing was ever written there.
drop table tasker.outbox;
