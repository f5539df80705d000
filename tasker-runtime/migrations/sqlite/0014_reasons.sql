-- Why an operator asked, in words of their own.
alter table audit add column reason text
