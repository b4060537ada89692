-- Mail that is being written.
create table drafts (
    id text primary key,
    tenant_id text not null,
    mailbox_id text not null,
    -- new, reply, reply_all or forward
    kind text not null,
    -- the message that it answers or sends on
    parent_id text,
    content {json} not null,
    -- what is attached: octets that lists of drafts need not read
    files {blob},
    created_at {bigint} not null,
    updated_at {bigint} not null
){strict};
create index drafts_by_mailbox on drafts (mailbox_id, id);
