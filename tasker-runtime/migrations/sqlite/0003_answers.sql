-- What an operator asked of a held task names its line in the audit trail, where the holder says why if it
-- refuses.
alter table commands add column audit_id integer;
alter table audit add column refused text
