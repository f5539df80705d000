-- read the settings that decide how fast the database writes
select 'journal_mode', journal_mode
from pragma_journal_mode
union all
select 'synchronous', case synchronous when 0 then 'off' when 1 then 'normal' when 2 then 'full' else 'extra' end
from pragma_synchronous
