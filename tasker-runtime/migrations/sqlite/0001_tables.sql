-- Points in time are microseconds since 1970-01-01 UTC (integer), so that both stores and the engine
-- share one form; the views turn them into timestamps.

-- What a task pins: never changed, only added.
create table templates (
    id integer primary key autoincrement,
    namespace text not null,
    name text not null,
    version text not null,
    digest text not null,
    content text not null,
    created_at integer not null,
    unique (namespace, name, version, digest)
) strict;

-- The facts of a task: never changed.
create table tasks (
    id integer primary key autoincrement,
    uuid text not null unique,
    template_id integer not null,
    correlation_id text not null,
    created_at integer not null,
    context text not null,
    tags text
) strict;

-- The one hot row of a task, and the queue at once: nobody holds it while owner is null.
-- state stands in no index, so that finishing changes the row alone.
create table runs (
    task_id integer primary key,
    run_at integer not null,
    owner integer,
    finished_at integer,
    lease integer not null default 0,
    state integer not null default 0,
    priority integer not null default 0,
    takeovers integer not null default 0,
    queue text not null,
    cause text
) strict;
create index runs_queue on runs (queue, priority desc, run_at, task_id) where owner is null;

-- The journal: a row for each step that has a result. kind 0: its handler's; 1: an operator's; 2: left out.
create table steps (
    task_id integer not null,
    started_at integer not null,
    finished_at integer not null,
    worker integer not null,
    step integer not null,
    attempt integer not null,
    kind integer not null default 0,
    result text not null,
    primary key (task_id, step)
) strict;

-- Failed attempts. retry_at null: for good. reopened: an operator allowed a new round afterwards.
create table attempts (
    task_id integer not null,
    started_at integer not null,
    failed_at integer not null,
    retry_at integer,
    worker integer not null,
    step integer not null,
    attempt integer not null,
    reopened integer not null default 0,
    error text not null,
    primary key (task_id, step, attempt)
) strict;

-- How far a batch instance got.
create table checkpoints (
    task_id integer not null,
    step integer not null,
    attempt integer not null,
    lease integer not null,
    items integer not null,
    saved_at integer not null,
    cursor text not null,
    partial text,
    primary key (task_id, step)
) strict;

-- Steps lent to other processes.
create table offers (
    task_id integer not null,
    step integer not null,
    attempt integer not null,
    lease integer not null,
    owner integer not null,
    taker integer,
    offered_at integer not null,
    handler text not null,
    queue text not null,
    primary key (task_id, step)
) strict;
create index offers_open on offers (handler, offered_at) where taker is null;

-- What operators ask of a task that somebody holds.
create table commands (
    id integer primary key autoincrement,
    task_id integer not null,
    created_at integer not null,
    command text not null
) strict;
create index commands_task on commands (task_id);

-- One row for each process; its leases live as long as expires_at lies ahead.
create table workers (
    id integer primary key autoincrement,
    name text not null,
    started_at integer not null,
    expires_at integer not null,
    seen_at integer not null,
    stopped_at integer,
    handlers text not null,
    queues text,
    activity text
) strict;

-- Keys that make a submission idempotent.
create table idempotency_keys (
    namespace text not null,
    template text not null,
    key text not null,
    task_uuid text not null,
    input_digest text not null,
    created_at integer not null,
    primary key (namespace, template, key)
) strict;

-- Domain events on their way out.
create table outbox (
    id integer primary key autoincrement,
    task_id integer not null,
    step integer not null,
    created_at integer not null,
    published_at integer,
    name text not null,
    payload text not null
) strict;

-- Tasks that were set aside, and why.
create table dead_letters (
    task_id integer primary key,
    created_at integer not null,
    resolved_at integer,
    reason text not null,
    detail text
) strict;

-- What operators did.
create table audit (
    id integer primary key autoincrement,
    task_id integer,
    created_at integer not null,
    actor text not null,
    action text not null,
    detail text
) strict;
create index audit_task on audit (task_id);
