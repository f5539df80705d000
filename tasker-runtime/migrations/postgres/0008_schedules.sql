-- When tasks start by themselves. The ticks of a schedule follow from its definition; here stands how far it is.
create table tasker.schedules (
    name text primary key,
    -- Namespace and name of what it starts tasks of.
    template text not null,
    -- The version of the template that says it; null: it was made by a command.
    version text,
    definition json not null,
    -- 1: the task of the last tick is cancelled at the next one.
    cancels smallint not null default 0,
    paused smallint not null default 0,
    -- The next tick; null: there is none.
    next_at bigint,
    -- When it is looked at next; null: nothing comes of it by itself.
    due_at bigint,
    -- Ticks that wait for the task of the last one.
    waiting json not null default '[]',
    last_at bigint,
    last_task uuid,
    started bigint not null default 0,
    skipped bigint not null default 0,
    -- Why the last tick started nothing.
    problem text,
    created_at bigint not null
);
create index schedules_due on tasker.schedules (due_at) where due_at is not null;
