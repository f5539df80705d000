-- What was sent to tasks, in the order it arrived. Which of it has settled a step stands in the journal: the entry of
-- a step that a signal settled has the number of the signal as its attempt.
create table tasker.signals (
    task_id bigint not null,
    number integer not null,
    sent_at bigint not null,
    name text not null,
    key text,
    payload json not null,
    primary key (task_id, number),
    constraint signals_number check (number > 0)
);
create unique index signals_key on tasker.signals (task_id, key) where key is not null;
