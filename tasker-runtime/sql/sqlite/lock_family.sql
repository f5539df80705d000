-- lock the runs of the tasks $1 and of those that started them: who writes is alone
select 1 where $1 is null
