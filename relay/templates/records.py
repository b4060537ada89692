"""Templates and the versions of them that were published. Owns `templates` and `template_versions`."""

import json
from dataclasses import dataclass

from relay.errors import NotFound
from relay.store.database import Reader, Row, Transaction
from relay.templates.content import Content, packed, unpacked

_COLUMNS = "id, tenant_id, name, description, draft, variables, published, is_changed, created_at, updated_at"
_SELECT = f"select {_COLUMNS} from templates"
_VERSION_COLUMNS = "template_id, tenant_id, version, content, variables, created_at"
_SELECT_VERSIONS = f"select {_VERSION_COLUMNS} from template_versions"


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A template with its draft; `published` is the version that is sent. Instants are microseconds."""

    id: str
    tenant_id: str
    name: str
    description: str
    draft: Content
    variables: tuple[str, ...]
    published: int | None
    is_changed: bool
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """What was published once; it never changes."""

    template_id: str
    tenant_id: str
    version: int
    content: Content
    variables: tuple[str, ...]
    created_at: int


async def find(reader: Reader, tenant_id: str, id_or_name: str) -> KeptTemplate | None:
    """The tenant's template of that id or name; no name looks like an id."""
    row = await reader.fetch_one(
        f"{_SELECT} where tenant_id = $1 and (id = $2 or name = $2)", tenant_id, id_or_name
    )
    return _template(row) if row else None


async def get(reader: Reader, tenant_id: str, id_or_name: str) -> KeptTemplate:
    """As `find`; raises NotFound."""
    if (found := await find(reader, tenant_id, id_or_name)) is None:
        raise NotFound(f"no template {id_or_name}")
    return found


async def page(reader: Reader, tenant_id: str, limit: int, before_id: str | None) -> list[KeptTemplate]:
    """The tenant's templates, newest first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or id < $2) order by id desc limit $3",
        tenant_id,
        before_id or "",
        limit,
    )
    return [_template(row) for row in rows]


async def count(reader: Reader, tenant_id: str) -> int:
    row = await reader.fetch_one("select count(*) as n from templates where tenant_id = $1", tenant_id)
    return int(row["n"]) if row else 0


async def insert(tx: Transaction, template: KeptTemplate) -> None:
    await tx.execute(
        f"insert into templates ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        template.id,
        template.tenant_id,
        template.name,
        template.description,
        packed(template.draft),
        json.dumps(template.variables),
        template.published,
        int(template.is_changed),
        template.created_at,
        template.updated_at,
    )


async def rewrite(tx: Transaction, template: KeptTemplate) -> None:
    """It is as it is given from now on."""
    await tx.execute(
        "update templates set name = $1, description = $2, draft = $3, variables = $4, published = $5,"
        " is_changed = $6, updated_at = $7 where id = $8 and tenant_id = $9",
        template.name,
        template.description,
        packed(template.draft),
        json.dumps(template.variables),
        template.published,
        int(template.is_changed),
        template.updated_at,
        template.id,
        template.tenant_id,
    )


async def delete(tx: Transaction, template: KeptTemplate) -> None:
    """It is gone, with its versions."""
    for table, column in (("template_versions", "template_id"), ("templates", "id")):
        await tx.execute(
            f"delete from {table} where {column} = $1 and tenant_id = $2",
            template.id,
            template.tenant_id,
        )


async def version(reader: Reader, template: KeptTemplate, number: int) -> KeptVersion:
    """That version; raises NotFound, also for one that is too long ago to be kept."""
    row = await reader.fetch_one(
        f"{_SELECT_VERSIONS} where template_id = $1 and tenant_id = $2 and version = $3",
        template.id,
        template.tenant_id,
        number,
    )
    if row is None:
        raise NotFound(f"template {template.name} has no version {number}")
    return _version(row)


async def versions(
    reader: Reader, template: KeptTemplate, limit: int, before: int | None
) -> list[KeptVersion]:
    """Its versions, newest first."""
    rows = await reader.fetch_all(
        f"{_SELECT_VERSIONS} where template_id = $1 and tenant_id = $2 and ($3 = 0 or version < $3)"
        " order by version desc limit $4",
        template.id,
        template.tenant_id,
        before or 0,
        limit,
    )
    return [_version(row) for row in rows]


async def add_version(tx: Transaction, new: KeptVersion, keep: int) -> None:
    """A new version; of the older ones the newest stay, so that `keep` are there."""
    await tx.execute(
        f"insert into template_versions ({_VERSION_COLUMNS}) values ($1, $2, $3, $4, $5, $6)",
        new.template_id,
        new.tenant_id,
        new.version,
        packed(new.content),
        json.dumps(new.variables),
        new.created_at,
    )
    await tx.execute(
        "delete from template_versions where template_id = $1 and version <= $2",
        new.template_id,
        new.version - keep,
    )


def _template(row: Row) -> KeptTemplate:
    return KeptTemplate(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        description=row["description"],
        draft=unpacked(row["draft"]),
        variables=tuple(json.loads(row["variables"])),
        published=row["published"],
        is_changed=bool(row["is_changed"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _version(row: Row) -> KeptVersion:
    return KeptVersion(
        template_id=row["template_id"],
        tenant_id=row["tenant_id"],
        version=row["version"],
        content=unpacked(row["content"]),
        variables=tuple(json.loads(row["variables"])),
        created_at=row["created_at"],
    )
