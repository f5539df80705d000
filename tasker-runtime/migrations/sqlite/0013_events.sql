-- The log of domain events: what steps published, in the transaction of the outcome it tells of.
-- Positions are in the order of the commits, and none is given out twice; the numbers of one task have no gaps.
create table events (
    position integer primary key autoincrement,
    task_id integer not null,
    at integer not null,
    seq integer not null,
    step integer not null,
    attempt integer not null,
    place integer not null,
    mode integer not null,
    outcome integer not null,
    name text not null,
    payload text not null,
    unique (task_id, seq)
) strict;

-- Events that could not be published, and why.
create table event_letters (
    task_id integer not null,
    at integer not null,
    step integer not null,
    attempt integer not null,
    place integer not null,
    mode integer not null,
    outcome integer not null,
    name text not null,
    reason text not null,
    detail text not null,
    payload text not null,
    primary key (task_id, step, attempt, place)
) strict;

-- Nothing was ever written there.
drop table outbox;
