-- read no clock: on one machine its own is the one
select cast(null as integer)
