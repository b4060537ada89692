-- What a test key does stands apart from the live; how an endpoint wants its posts; the sandbox.

-- 1: of mail that went to nobody, or raised by hand
alter table events add column is_test {bigint} not null default 0;
create index events_of_trials on events (seq) where is_test = 1;

-- 1: made by a test key, told of trials and of nothing else
alter table webhook_endpoints add column is_test {bigint} not null default 0;
-- a signature besides those of Standard Webhooks, and the field that it stands in
alter table webhook_endpoints add column signature_style text not null default 'standard';
alter table webhook_endpoints add column signature_header text;
alter table webhook_endpoints add column gzip {bigint} not null default 0;
-- fields of the owner's own, values included
alter table webhook_endpoints add column headers {json} not null default '{}';
-- empty: of every domain, with any tags
alter table webhook_endpoints add column domains {json} not null default '[]';
alter table webhook_endpoints add column tags {json} not null default '[]';

-- whose events are posted in their order
alter table webhook_deliveries add column message_id text;
create index webhook_deliveries_of_message on webhook_deliveries (endpoint_id, message_id, number)
    where state in ('due', 'leased');

-- Mail of test keys, as the simulator was handed it; its body is the message's.
create table caught (
    id text primary key,
    tenant_id text not null references tenants (id),
    mailbox_id text,
    message_id text not null,
    at {bigint} not null,
    reverse_path text not null,
    recipients {json} not null,
    subject text not null,
    size {bigint} not null,
    -- as it came over the wire, signatures included
    header {blob} not null
){strict};
create index caught_of_tenant on caught (tenant_id, id);
create index caught_by_age on caught (at);
