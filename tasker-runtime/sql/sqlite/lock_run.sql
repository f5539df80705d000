-- lock the run of the task $1 until the transaction ends
select t.id, t.template_id, r.state, r.owner, r.lease, r.cause, t.created_at
from tasks t
join runs r on r.task_id = t.id
where t.uuid = $1
