-- count connections, and what limits them: nothing does
select -1, 0, -1, 0, -1, 0
