-- The tasks that steps of type workflow start. Which of them are over says their run; here stands who waits for them.
create table tasker.children (
    parent_id bigint not null,
    step integer not null,
    -- Which of the tasks of the step, from 0.
    item integer not null,
    -- The attempt of the step that started it, from 1.
    attempt integer not null,
    child_id bigint not null,
    -- How many tasks stand above it.
    depth smallint not null,
    -- 1: it is cancelled and paused with the task that started it.
    cascades smallint not null,
    -- 1: it is over, and the task that started it was told.
    ended smallint not null default 0,
    primary key (parent_id, step, item, attempt),
    constraint children_depth check (depth between 1 and 16)
);
create unique index children_child on tasker.children (child_id);
create index children_open on tasker.children (parent_id, step) where ended = 0;

-- The task that started this one.
alter table tasker.tasks add column parent_id bigint;
