-- The turns of tasks whose template limits how many run at once: a row for each of its limits. A task is in the queue
-- once it has had all of them.
create table turns (
    task_id integer not null,
    -- Which of the limits of its template.
    slot integer not null,
    -- The template and the value that is limited.
    key text not null,
    -- How many tasks of the key may run at once.
    most integer not null,
    -- 0: in line; 1: its turn, until the task is over; 2: the limit before this one comes first; 3: the task is over;
    -- 4, within one transaction: it is being given its turn.
    state integer not null check (state between 0 and 4),
    priority integer not null,
    -- When the task is due, once it has all its turns.
    due_at integer not null,
    primary key (task_id, slot)
) strict;
create index turns_line on turns (key, priority desc, task_id) where state = 0;
create index turns_taken on turns (key) where state = 1;
create index turns_moving on turns (task_id) where state = 4;
