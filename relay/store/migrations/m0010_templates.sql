-- Templates: the one that is being written, and the versions that were published.

create table templates (
    id text primary key,
    tenant_id text not null,
    name text not null,
    description text not null,
    draft {json} not null,
    -- what the draft asks for: names of variables
    variables {json} not null,
    -- the version that is sent, null before the first
    published {bigint},
    -- 1 where the draft says something else than that version
    is_changed {bigint} not null,
    created_at {bigint} not null,
    updated_at {bigint} not null
){strict};
create unique index templates_by_name on templates (tenant_id, name);

create table template_versions (
    template_id text not null,
    tenant_id text not null,
    version {bigint} not null,
    content {json} not null,
    variables {json} not null,
    created_at {bigint} not null,
    primary key (template_id, version)
){strict};
