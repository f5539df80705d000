-- read what became of the command that stands in line $1 of the audit trail
-- Whether it still waits, and why it was refused if it was.
select c.id, a.refused
from tasker.audit a
left join tasker.commands c on c.audit_id = a.id
where a.id = $1
