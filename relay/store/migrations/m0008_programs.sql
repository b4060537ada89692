-- What a program says of a message: the stream of mail that somebody may have left, and what it was made from.

alter table messages add column stream text;
alter table messages add column batch_id text;
alter table messages add column template_id text;
alter table messages add column brand_id text;
