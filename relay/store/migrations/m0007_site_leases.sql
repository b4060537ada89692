-- Which node serves a destination. Where the store has one node, that is no question.
{postgresql:create table site_leases (
    destination text primary key,
    node text not null,
    until bigint not null
)};
{postgresql:create index site_leases_by_node on site_leases (node)};
