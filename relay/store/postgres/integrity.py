"""What a PostgreSQL server says is wrong with our part of it."""

from typing import Any

from relay.store.bodies import IN_OBJECTS

_BROKEN_INDEXES = (
    "select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid"
    " join pg_namespace n on n.oid = c.relnamespace"
    " where not (i.indisvalid and i.indisready) and n.nspname = current_schema() order by 1"
)
_UNPROVED_RULES = (
    "select c.conname as name, c.conrelid::regclass::text as its from pg_constraint c"
    " join pg_namespace n on n.oid = c.connamespace"
    " where not c.convalidated and n.nspname = current_schema() order by 1"
)
# Null where the cluster was made without checksums.
_CHECKSUMS = "select checksum_failures as found from pg_stat_database where datname = current_database()"
_BROKEN_BODIES = (
    "select c.message_id as id, m.body_size as wanted, coalesce(sum(length(b.octets)), 0) as found"  # noqa: S608
    " from contents c join messages m on m.id = c.message_id"
    " left join body_chunks b on b.name = c.body_file"
    f" where c.body_file is not null and c.body_file not like '{IN_OBJECTS}%'"
    " group by c.message_id, m.body_size"
    " having coalesce(sum(length(b.octets)), 0) <> m.body_size"
    " or count(b.place) <> coalesce(max(b.place), 0) + 1"
)


async def complaints(connection: Any) -> list[str]:
    """An empty list is a whole store."""
    found = [f"index {row['name']} is not valid" for row in await connection.fetch(_BROKEN_INDEXES)]
    for row in await connection.fetch(_UNPROVED_RULES):
        found.append(f"rule {row['name']} of {row['its']} was never proved")
    if failures := await connection.fetchval(_CHECKSUMS):
        found.append(f"the server has met {failures} pages of this database with wrong checksums")
    for row in await connection.fetch(_BROKEN_BODIES):
        found.append(f"message {row['id']}: its body has {row['found']} octets instead of {row['wanted']}")
    return found
