-- Events, posted to somebody's endpoint.

create table webhook_endpoints (
    id text primary key,
    tenant_id text not null references tenants (id),
    url text not null,
    label text not null,
    -- kinds of events, '<noun>.*', or '*'
    events {json} not null,
    -- null: the events of every mailbox, and those of none
    mailbox_id text,
    status text not null check (status in ('active', 'paused', 'disabled', 'removed')),
    -- why it is paused or disabled, when we did it
    reason text,
    -- as they are, because each post is signed with them
    secret text not null,
    previous_secret text,
    previous_until {bigint},
    -- posts in a row that failed
    failures {bigint} not null,
    -- it asked for nothing before then
    rests_until {bigint},
    -- its events are those behind this place of the log
    from_seq {bigint} not null,
    created_at {bigint} not null
){strict};
create index webhook_endpoints_by_tenant on webhook_endpoints (tenant_id, id);

create table webhook_deliveries (
    number {bigint} primary key,
    endpoint_id text not null references webhook_endpoints (id),
    tenant_id text not null,
    event_id text not null,
    kind text not null,
    -- what is posted, to the octet
    payload text not null,
    state text not null check (state in ('due', 'leased', 'done', 'failed')),
    attempts {bigint} not null,
    due_at {bigint} not null,
    lease_until {bigint},
    created_at {bigint} not null,
    settled_at {bigint},
    unique (endpoint_id, event_id)
){strict};
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, due_at) where state = 'due';
create index webhook_deliveries_overdue on webhook_deliveries (due_at) where state = 'due';
create index webhook_deliveries_leased on webhook_deliveries (lease_until) where state = 'leased';
create index webhook_deliveries_by_age on webhook_deliveries (settled_at) where settled_at is not null;

create table webhook_attempts (
    id text primary key,
    tenant_id text not null,
    endpoint_id text not null,
    delivery {bigint} not null references webhook_deliveries (number),
    event_id text not null,
    kind text not null,
    -- the first is 1
    attempt {bigint} not null,
    at {bigint} not null,
    duration_ms {bigint} not null,
    -- of the answer; null: there was none
    status {bigint},
    answer text not null,
    -- what went wrong, in words; null: it was taken
    error text
){strict};
create index webhook_attempts_by_endpoint on webhook_attempts (endpoint_id, id);
create index webhook_attempts_by_delivery on webhook_attempts (delivery);
