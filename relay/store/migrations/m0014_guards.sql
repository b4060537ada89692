-- What an inbox or a key may send only so, or only when a person has said yes.

-- null: no guards
alter table mailboxes add column guards {json};
alter table api_keys add column guards {json};

-- To whom a guarded inbox has written.
create table acquaintances (
    mailbox_id text not null references mailboxes (id),
    address text not null,
    tenant_id text not null,
    -- 1: mail has gone there; 0: all of it has waited for approval so far
    confirmed {bigint} not null,
    primary key (mailbox_id, address)
){strict};

-- Up to when what an inbox sent without guards has been looked through for them.
create table acquaintance_marks (
    mailbox_id text primary key references mailboxes (id),
    tenant_id text not null,
    upto {bigint} not null
){strict};

-- How many new recipients the guards of an inbox or key have counted on a day.
create table new_recipients (
    owner_id text not null,
    day text not null,
    tenant_id text not null,
    used {bigint} not null,
    primary key (owner_id, day)
){strict};

-- Messages that wait, or waited, for a person's word.
create table approvals (
    id text primary key,
    tenant_id text not null,
    mailbox_id text not null,
    message_id text not null unique references messages (id),
    -- the key or login that sent it
    credential text,
    -- first_contact or always
    why text not null,
    -- 1: of a trial
    is_test {bigint} not null,
    approvers {json} not null,
    status text not null check (status in ('pending', 'approved', 'rejected', 'expired')),
    created_at {bigint} not null,
    expires_at {bigint} not null,
    decided_at {bigint},
    decided_by text,
    reason text
){strict};
create index approvals_by_tenant on approvals (tenant_id, id);
create index approvals_pending on approvals (expires_at) where status = 'pending';
