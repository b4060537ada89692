-- Who may be written to, and who may write here; and what a domain and a mailbox do with the rest.

create table address_lists (
    id text primary key,
    tenant_id text not null references tenants (id),
    -- null: for every mailbox of the tenant
    mailbox_id text,
    direction text not null check (direction in ('receive', 'send')),
    type text not null check (type in ('allow', 'block')),
    -- an address key, or a domain in A-labels, which stands for its subdomains too
    entry text not null,
    created_at {bigint} not null
){strict};
create unique index address_lists_by_entry
    on address_lists (tenant_id, direction, entry, type, coalesce(mailbox_id, ''));
create index address_lists_by_type on address_lists (tenant_id, direction, type, id);

-- The mailbox that receives for every address of the domain that nobody has.
alter table domains add column catch_all_mailbox text;

-- 1: Reply-To of what it sends is a signed address of ours.
alter table mailboxes add column signed_replies {bigint} not null default 0;
