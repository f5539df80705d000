-- What an operator asked of a held task names its line in the audit trail, where the holder says why if it
-- refuses.
alter table tasker.commands add column audit_id bigint;
alter table tasker.audit add column refused text
