-- the last position that was given out: who gives one out commits before anybody else does
select coalesce(max(position), 0)
from events
