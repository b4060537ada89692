-- Batches that broke off: whether the request that made one can come again and complete it.

-- Of what is there already nobody knows any more: it is given the time that a key has.
alter table batches add column has_key {bigint} not null default 1;

create index batches_begun on batches (created_at) where completed_at is null;
