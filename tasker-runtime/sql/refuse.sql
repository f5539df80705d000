-- note in line $1 of the audit trail that what was asked was refused, because of $2
update tasker.audit
set refused = $2
where id = $1
