-- Who shares the store. One process has an SQLite file, so there it is nobody's affair.
{postgresql:create table nodes (
    name text primary key,
    version text not null,
    roles text not null,
    process bigint not null,
    started_at bigint not null,
    seen_at bigint not null,
    drain_at bigint,
    drained_at bigint,
    stopped_at bigint
)};
