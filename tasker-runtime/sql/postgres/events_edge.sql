-- the last position that was given out, committed or not
select case when is_called then last_value else 0 end
from tasker.events_position_seq
