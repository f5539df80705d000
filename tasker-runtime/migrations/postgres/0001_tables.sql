-- In the schema `tasker`, which is there.
--
-- Points in time are microseconds since 1970-01-01 UTC (bigint), so that both stores and the engine
-- share one form; the views turn them into timestamps. The hot tables carry no foreign keys: each would
-- cost a lookup and a row lock per row, and nothing but `db prune` ever deletes.

-- What a task pins: never changed, only added.
create table tasker.templates (
    id bigint generated always as identity primary key,
    namespace text not null,
    name text not null,
    version text not null,
    digest text not null,
    content json not null,
    created_at bigint not null,
    unique (namespace, name, version, digest)
);

-- The facts of a task: never changed.
create table tasker.tasks (
    id bigint generated always as identity primary key,
    uuid uuid not null unique,
    template_id bigint not null,
    correlation_id uuid not null,
    created_at bigint not null,
    context json not null,
    tags json
);

-- The one hot row of a task, and the queue at once: nobody holds it while owner is null.
-- state stands in no index, so that finishing changes the row alone.
create table tasker.runs (
    task_id bigint primary key,
    run_at bigint not null,
    owner bigint,
    finished_at bigint,
    lease integer not null default 0,
    state smallint not null default 0,
    priority smallint not null default 0,
    takeovers smallint not null default 0,
    queue text not null,
    cause text
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1);
create index runs_queue on tasker.runs (queue, priority desc, run_at, task_id) where owner is null;
create index runs_owner on tasker.runs (owner) where owner is not null;

-- The journal: a row for each step that has a result. kind 0: its handler's; 1: an operator's; 2: left out.
create table tasker.steps (
    task_id bigint not null,
    started_at bigint not null,
    finished_at bigint not null,
    worker bigint not null,
    step integer not null,
    attempt smallint not null,
    kind smallint not null default 0,
    result json not null,
    primary key (task_id, step)
);

-- Failed attempts. retry_at null: for good. reopened: an operator allowed a new round afterwards.
create table tasker.attempts (
    task_id bigint not null,
    started_at bigint not null,
    failed_at bigint not null,
    retry_at bigint,
    worker bigint not null,
    step integer not null,
    attempt smallint not null,
    reopened boolean not null default false,
    error json not null,
    primary key (task_id, step, attempt)
);

-- How far a batch instance got.
create table tasker.checkpoints (
    task_id bigint not null,
    step integer not null,
    attempt smallint not null,
    lease integer not null,
    items bigint not null,
    saved_at bigint not null,
    cursor json not null,
    partial json,
    primary key (task_id, step)
);

-- Steps lent to other processes.
create table tasker.offers (
    task_id bigint not null,
    step integer not null,
    attempt smallint not null,
    lease integer not null,
    owner bigint not null,
    taker bigint,
    offered_at bigint not null,
    handler text not null,
    queue text not null,
    primary key (task_id, step)
);
create index offers_open on tasker.offers (handler, offered_at) where taker is null;

-- What operators ask of a task that somebody holds.
create table tasker.commands (
    id bigint generated always as identity primary key,
    task_id bigint not null,
    created_at bigint not null,
    command json not null
);
create index commands_task on tasker.commands (task_id);

-- One row for each process; its leases live as long as expires_at lies ahead.
create table tasker.workers (
    id bigint generated always as identity primary key,
    name text not null,
    started_at bigint not null,
    expires_at bigint not null,
    seen_at bigint not null,
    stopped_at bigint,
    handlers json not null,
    queues json,
    activity json
) with (fillfactor = 50);

-- Keys that make a submission idempotent.
create table tasker.idempotency_keys (
    namespace text not null,
    template text not null,
    key text not null,
    task_uuid uuid not null,
    input_digest text not null,
    created_at bigint not null,
    primary key (namespace, template, key)
);

-- Domain events on their way out.
create table tasker.outbox (
    id bigint generated always as identity primary key,
    task_id bigint not null,
    step integer not null,
    created_at bigint not null,
    published_at bigint,
    name text not null,
    payload json not null
);

-- Tasks that were set aside, and why.
create table tasker.dead_letters (
    task_id bigint primary key,
    created_at bigint not null,
    resolved_at bigint,
    reason text not null,
    detail json
);

-- What operators did.
create table tasker.audit (
    id bigint generated always as identity primary key,
    task_id bigint,
    created_at bigint not null,
    actor text not null,
    action text not null,
    detail json
);
create index audit_task on tasker.audit (task_id);
