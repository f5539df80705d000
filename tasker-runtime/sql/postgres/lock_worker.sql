-- wait until what worker $1 is writing is durable, and keep it from writing more until the transaction ends
select id
from tasker.workers
where id = $1
for update
