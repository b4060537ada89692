-- What a domain's mail tells when it is opened or its links are followed, and the host that its links name.

alter table domains add column track_opens {bigint} not null default 0;
alter table domains add column track_clicks {bigint} not null default 0;
alter table domains add column tracking_host text;
-- Set while that host is seen to point here. Until then links name the house itself.
alter table domains add column tracking_verified_at {bigint};

-- How many events a link of a message, or its image (nothing after the colon), has had: by people, by machines.
create table tracked (
    message_id text not null,
    tenant_id text not null,
    what text not null,
    events {bigint} not null,
    first_at {bigint} not null,
    primary key (message_id, what)
){strict};
