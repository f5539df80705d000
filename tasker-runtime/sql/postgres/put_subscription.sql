-- put a subscription there, or what it is to be told of
-- $1 name, $2 kind, $3 patterns, $4 namespaces, $5 position after which it begins, $6 now. Where it is there already it
-- goes on from where it is.
insert into tasker.subscriptions as s (name, kind, patterns, namespaces, position, state, since, created_at)
values ($1, $2, $3::json, $4::json, $5, 0, $6, $6)
on conflict (name) do update
set patterns = excluded.patterns, namespaces = excluded.namespaces
where s.patterns::text <> excluded.patterns::text or s.namespaces::text <> excluded.namespaces::text
