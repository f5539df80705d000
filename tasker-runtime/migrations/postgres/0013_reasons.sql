-- Why an operator asked, in words of their own.
alter table tasker.audit add column reason text
