-- What was sent to tasks, in the order it arrived. Which of it has settled a step stands in the journal: the entry of
-- a step that a signal settled has the number of the signal as its attempt.
create table signals (
    task_id integer not null,
    number integer not null check (number > 0),
    sent_at integer not null,
    name text not null,
    key text,
    payload text not null,
    primary key (task_id, number)
) strict;
create unique index signals_key on signals (task_id, key) where key is not null;
