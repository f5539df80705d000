-- read what the workers that are alive at $1 have had running for a while, of those whose activity is like $2
select cast(activity as text)
from tasker.workers
where stopped_at is null
  and expires_at >= $1
  and cast(activity as text) like $2
