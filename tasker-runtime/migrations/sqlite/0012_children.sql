-- The tasks that steps of type workflow start. Which of them are over says their run; here stands who waits for them.
create table children (
    parent_id integer not null,
    step integer not null,
    -- Which of the tasks of the step, from 0.
    item integer not null,
    -- The attempt of the step that started it, from 1.
    attempt integer not null,
    child_id integer not null,
    -- How many tasks stand above it.
    depth integer not null,
    -- 1: it is cancelled and paused with the task that started it.
    cascades integer not null,
    -- 1: it is over, and the task that started it was told.
    ended integer not null default 0,
    primary key (parent_id, step, item, attempt),
    constraint children_depth check (depth between 1 and 16)
) strict;
create unique index children_child on children (child_id);
create index children_open on children (parent_id, step) where ended = 0;

-- The task that started this one.
alter table tasks add column parent_id integer;
