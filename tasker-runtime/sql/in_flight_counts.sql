-- count the tasks that are not over by the template they started with, whether that is kept or not
select t.template_id, p.namespace, p.name, p.version, p.digest, count(*), min(t.created_at)
from (
    select task_id from tasker.runs where owner is null and run_at <> 9223372036854775807
    union all
    select task_id from tasker.runs where owner is null and run_at = 9223372036854775807
    union all
    select task_id from tasker.runs where owner is not null and finished_at is null
) as open
join tasker.tasks t on t.id = open.task_id
left join tasker.templates p on p.id = t.template_id
group by t.template_id, p.namespace, p.name, p.version, p.digest
order by p.namespace, p.name, t.template_id
