-- the transactions that are about to commit events: nobody reads while there is one
select ''
where false
