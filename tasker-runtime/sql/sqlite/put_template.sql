-- keep the content of a template
-- Namespace $1, name $2, version $3, digest $4, content $5, at $6; the same content is kept once.
insert into templates (namespace, name, version, digest, content, created_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (namespace, name, version, digest) do nothing
