-- have task $1, which nobody has held yet, count as taken once: whoever takes it next reads its journal
update tasker.runs
set lease = 1
where task_id = $1
  and lease = 0
