-- How many processes in a row died while they ran a lent step for the holder of its task.
alter table tasker.offers
    add column deaths integer not null default 0,
    add constraint offers_deaths check (deaths >= 0);
