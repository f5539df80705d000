-- lock the lines of the keys $1: who writes is alone
select 1 where $1 is null
