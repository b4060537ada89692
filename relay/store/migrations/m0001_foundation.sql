-- Whose it is.

create table tenants (
    id text primary key,
    name text not null,
    created_at {bigint} not null
){strict};

-- Whose everything is while there is only one.
insert into tenants (id, name, created_at) values ('ten_default', 'default', {now});

create table domains (
    id text primary key,
    tenant_id text not null references tenants (id),
    name text not null unique,
    status text not null check (status in ('pending', 'verified')),
    verified_at {bigint},
    -- Set while bounces.<name> is seen to point here; then reverse paths are signed.
    bounces_verified_at {bigint},
    -- Set while the MX of <name> is seen to point here; then its mail never goes out.
    receives_at {bigint},
    checked_at {bigint},
    check_result {json},
    created_at {bigint} not null
){strict};

create table dkim_keys (
    domain_id text not null references domains (id),
    tenant_id text not null,
    selector text not null,
    algorithm text not null check (algorithm in ('rsa', 'ed25519')),
    status text not null check (status in ('active', 'retired')),
    created_at {bigint} not null,
    retired_at {bigint},
    primary key (domain_id, selector)
){strict};

create table mailboxes (
    id text primary key,
    tenant_id text not null references tenants (id),
    domain_id text not null references domains (id),
    address text not null unique,
    name text not null,
    -- null: policy.default_daily_cap holds
    daily_cap {bigint},
    warmup {json},
    senders {json} not null,
    pool text,
    status text not null check (status in ('active', 'paused')),
    fix_line_ends {bigint} not null,
    -- argon2id of a chosen password, or 'sha256:…' of one that we made
    password_hash text,
    created_at {bigint} not null
){strict};
create index mailboxes_by_domain on mailboxes (domain_id);

create table aliases (
    address text primary key,
    tenant_id text not null,
    mailbox_id text not null references mailboxes (id)
){strict};
create index aliases_by_mailbox on aliases (mailbox_id);

create table api_keys (
    id text primary key,
    tenant_id text not null references tenants (id),
    name text not null,
    mode text not null check (mode in ('live', 'test')),
    hash text not null unique,
    hint text not null,
    scopes {json} not null,
    mailbox_id text references mailboxes (id),
    cidrs {json} not null,
    created_at {bigint} not null,
    expires_at {bigint},
    revoked_at {bigint},
    last_used_at {bigint}
){strict};

create table secrets (
    name text primary key,
    value {blob} not null,
    created_at {bigint} not null
){strict};

-- What may go.

create table allowances (
    mailbox_id text not null references mailboxes (id),
    day text not null,
    tenant_id text not null,
    used {bigint} not null,
    warned {bigint} not null,
    primary key (mailbox_id, day)
){strict};

create table suppressions (
    id text primary key,
    tenant_id text not null references tenants (id),
    -- 'tenant', or 'stream:<name>'
    scope text not null,
    address text not null,
    reason text not null check (reason in ('bounce', 'complaint', 'unsubscribe', 'manual')),
    source_message_id text,
    created_at {bigint} not null,
    expires_at {bigint},
    unique (tenant_id, scope, address)
){strict};

-- Mail.

create table messages (
    id text primary key,
    tenant_id text not null references tenants (id),
    mailbox_id text,
    direction text not null check (direction in ('out', 'in')),
    -- which door it came through: smtp, api, dsn, mx, local
    source text not null,
    credential text,
    reverse_path text not null,
    header_from text not null,
    subject text not null,
    message_id text not null,
    signing_domain text,
    size {bigint} not null,
    body_size {bigint} not null,
    body_hash {blob},
    is_8bit {bigint} not null,
    needs_utf8 {bigint} not null,
    -- 1: Date is written when it is released
    lacks_date {bigint} not null,
    ret text,
    envid text,
    tags {json} not null,
    metadata {json} not null,
    pool text,
    send_at {bigint},
    released_at {bigint},
    created_at {bigint} not null
){strict};
create index messages_by_mailbox on messages (mailbox_id, created_at);
create index messages_by_age on messages (created_at);
create index messages_by_message_id on messages (message_id);

create table contents (
    message_id text primary key references messages (id),
    tenant_id text not null,
    header {blob} not null,
    -- exactly one of these, unless retention has purged the body
    body {blob},
    body_file text
){strict};
-- On SQLite a body that is too large for its row is a file; here every node must be able to read it.
{postgresql:create table body_chunks (
    name text not null,
    place bigint not null,
    octets bytea not null,
    created_at bigint not null,
    primary key (name, place)
)};
{postgresql:alter table body_chunks alter column octets set storage external};

create table recipients (
    id {bigint} primary key,
    tenant_id text not null,
    message_id text not null references messages (id),
    mailbox_id text,
    position {bigint} not null,
    address text not null,
    destination text not null,
    -- 1: a domain that we receive for; takes the inbound path in process
    is_local {bigint} not null,
    state text not null,
    reason text,
    -- the day of cap_timezone whose allowance it reserved; null when exempt
    release_day text,
    due_at {bigint},
    lease_owner text,
    lease_until {bigint},
    epoch {bigint} not null,
    attempts {bigint} not null,
    -- attempts in a row that began and left no outcome
    unfinished {bigint} not null,
    notify text,
    orcpt text,
    expires_at {bigint},
    delay_noticed {bigint} not null,
    last_mx text,
    last_reply text,
    settled_at {bigint}
){strict};
create index recipients_by_message on recipients (message_id, position);
create index recipients_due on recipients (destination, due_at)
    where state in ('queued', 'deferred') and unfinished = 0;
create index recipients_suspect on recipients (unfinished, due_at)
    where state in ('queued', 'deferred') and unfinished > 0;
create index recipients_scheduled on recipients (due_at) where state = 'scheduled';
create index recipients_leased on recipients (lease_until) where state = 'leased';
create index recipients_held on recipients (message_id) where state = 'held';

-- What happened.

create table events (
    seq {serial},
    id text not null unique,
    tenant_id text not null,
    kind text not null,
    at {bigint} not null,
    mailbox_id text,
    message_id text,
    recipient_id {bigint},
    data {json} not null
){strict};
-- Numbered after the transaction has its own number: who draws one can be seen to be writing.
{postgresql:alter table events alter column seq drop identity};
{postgresql:create sequence events_in_order owned by events.seq};
{postgresql:alter table events alter column seq set default
    (case when pg_current_xact_id() is not null then nextval('events_in_order') end)};
create index events_by_message on events (message_id, seq);
create index events_by_age on events (at);

create table cursors (
    name text primary key,
    seq {bigint} not null
){strict};

create table idempotency (
    tenant_id text not null,
    key text not null,
    fingerprint text not null,
    message_id text,
    answer text not null,
    created_at {bigint} not null,
    expires_at {bigint} not null,
    primary key (tenant_id, key)
){strict};
create index idempotency_by_expiry on idempotency (expires_at);
