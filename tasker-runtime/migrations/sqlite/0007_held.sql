-- What a worker holds, and nothing that it ever finished: found without a walk over all tasks there ever were.
create index runs_held on runs (owner) where owner is not null and finished_at is null;
