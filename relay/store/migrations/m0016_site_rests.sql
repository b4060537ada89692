-- Which destinations are left in peace, because nobody could be reached there; '' is the smarthost.
create table site_rests (
    destination text primary key,
    until {bigint} not null
){strict};
