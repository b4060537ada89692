-- Emails that were asked for together, and what became of each place among them.

create table batches (
    id text primary key,
    tenant_id text not null,
    -- the inbox that the key was bound to which asked for it
    mailbox_id text,
    is_test {bigint} not null,
    total {bigint} not null,
    created_at {bigint} not null,
    completed_at {bigint}
){strict};
create index batches_by_age on batches (created_at);

create table batch_items (
    batch_id text not null references batches (id),
    position {bigint} not null,
    tenant_id text not null,
    -- null until it is decided: the message's as it was taken, or refused
    status text,
    message_id text,
    problem {json},
    primary key (batch_id, position)
){strict};
