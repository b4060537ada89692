-- What happened, counted: for each tenant, hour and day, of all its mail and by what some of it has in common.

create table figures (
    tenant_id text not null,
    span text not null check (span in ('hour', 'day')),
    facet text not null check (facet in ('all', 'domain', 'provider', 'tag', 'template', 'mailbox')),
    -- which domain, which tag; empty for all
    value text not null,
    -- when the hour or day begins, UTC
    starts {bigint} not null,
    accepted {bigint} not null,
    sent {bigint} not null,
    delivered {bigint} not null,
    deferred {bigint} not null,
    bounced {bigint} not null,
    expired {bigint} not null,
    suppressed {bigint} not null,
    canceled {bigint} not null,
    complained {bigint} not null,
    opened {bigint} not null,
    clicked {bigint} not null,
    unsubscribed {bigint} not null,
    primary key (tenant_id, span, facet, value, starts)
){strict};
create index figures_by_time on figures (tenant_id, span, facet, starts);
create index figures_by_age on figures (span, starts);

-- How long delivery took, as a histogram whose buckets can be added up.
create table figure_times (
    tenant_id text not null,
    span text not null,
    facet text not null,
    value text not null,
    starts {bigint} not null,
    bucket {bigint} not null,
    times {bigint} not null,
    primary key (tenant_id, span, facet, value, starts, bucket)
){strict};
create index figure_times_by_time on figure_times (tenant_id, span, facet, starts);
create index figure_times_by_age on figure_times (span, starts);

-- What counts once for a recipient of a message, and has been counted.
create table figure_marks (
    tenant_id text not null,
    who text not null,
    what text not null,
    at {bigint} not null,
    primary key (who, what)
){strict};
create index figure_marks_by_age on figure_marks (at);

-- Whether a mailbox bounces or annoys too much, and from when on that is judged.
create table mailbox_health (
    mailbox_id text primary key,
    tenant_id text not null,
    state text not null check (state in ('well', 'bad')),
    since {bigint} not null,
    judged_from {bigint} not null
){strict};

-- 1: the mailbox was in bad health that day, which brings its warm-up no further.
alter table allowances add column stalled {bigint} not null default 0;
