-- When tasks start by themselves. The ticks of a schedule follow from its definition; here stands how far it is.
create table schedules (
    name text primary key,
    -- Namespace and name of what it starts tasks of.
    template text not null,
    -- The version of the template that says it; null: it was made by a command.
    version text,
    definition text not null,
    -- 1: the task of the last tick is cancelled at the next one.
    cancels integer not null default 0,
    paused integer not null default 0,
    -- The next tick; null: there is none.
    next_at integer,
    -- When it is looked at next; null: nothing comes of it by itself.
    due_at integer,
    -- Ticks that wait for the task of the last one.
    waiting text not null default '[]',
    last_at integer,
    last_task text,
    started integer not null default 0,
    skipped integer not null default 0,
    -- Why the last tick started nothing.
    problem text,
    created_at integer not null
) strict;
create index schedules_due on schedules (due_at) where due_at is not null;
