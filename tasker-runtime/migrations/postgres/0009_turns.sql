-- The turns of tasks whose template limits how many run at once: a row for each of its limits. A task is in the queue
-- once it has had all of them.
create table tasker.turns (
    task_id bigint not null,
    -- Which of the limits of its template.
    slot smallint not null,
    -- The template and the value that is limited.
    key text not null,
    -- How many tasks of the key may run at once.
    most integer not null,
    -- 0: in line; 1: its turn, until the task is over; 2: the limit before this one comes first; 3: the task is over.
    state smallint not null,
    priority smallint not null,
    -- When the task is due, once it has all its turns.
    due_at bigint not null,
    primary key (task_id, slot),
    constraint turns_state check (state between 0 and 3)
);
create index turns_line on tasker.turns (key, priority desc, task_id) where state = 0;
create index turns_taken on tasker.turns (key) where state = 1;
