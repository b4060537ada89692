-- What a key reaches, how often it may ask, and whether it may act in other tenants.

-- null: everything of its tenant; else {"inboxes": [ids], "domains": [names]}
alter table api_keys add column reach {json};
-- null: limits.api_requests_per_minute holds, with a minute's worth at once
alter table api_keys add column requests_per_minute {bigint};
alter table api_keys add column burst {bigint};
alter table api_keys add column is_root {bigint} not null default 0;
-- A key was bound to one mailbox by a column of its own, which is empty from now on.
update api_keys set reach = '{"inboxes":["' || mailbox_id || '"],"domains":[]}' where mailbox_id is not null;
update api_keys set mailbox_id = null;

-- what the key reached that asked for it, as above
alter table batches add column reach {json};

-- What holds for a tenant as a whole.

alter table tenants add column status text not null default 'active';
-- recipients a month; null: as many as its mailboxes may
alter table tenants add column monthly_quota {bigint};
alter table tenants add column settings {json} not null default '{}';
alter table tenants add column updated_at {bigint};

create index allowances_by_tenant on allowances (tenant_id, day);

-- Written only for tenants that have a quota.
create table tenant_months (
    tenant_id text not null references tenants (id),
    month text not null,
    used {bigint} not null,
    warned {bigint} not null,
    primary key (tenant_id, month)
){strict};

-- What came through which door, counted from the log of events.
create table tenant_days (
    tenant_id text not null,
    day text not null,
    door text not null,
    messages {bigint} not null,
    recipients {bigint} not null,
    primary key (tenant_id, day, door)
){strict};

create table brands (
    id text primary key,
    tenant_id text not null references tenants (id),
    name text not null,
    sender_name text not null,
    sender_address text,
    footer_html text not null,
    footer_text text not null,
    postal_address text not null,
    tracking_host text,
    pool text,
    created_at {bigint} not null,
    unique (tenant_id, name)
){strict};

-- Who changed what of the house.
create table audit (
    id text primary key,
    tenant_id text not null,
    at {bigint} not null,
    -- 'key', 'operator' or 'system', and which one
    actor text not null,
    actor_id text,
    action text not null,
    target text,
    data {json} not null,
    before {json},
    after {json},
    request_id text
){strict};
create index audit_of_tenant on audit (tenant_id, id);
create index audit_by_age on audit (at);
