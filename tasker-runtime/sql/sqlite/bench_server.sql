-- read what the server has used
-- There is none.
select 0, 0, 0
