-- wait until what worker $1 is writing is durable: whoever writes has the file to itself
select id
from workers
where id = $1
