"""Versions of a template: what was published once, to be read, and taken up again."""

from typing import Any

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.template_shapes import (
    TEMPLATE_EXAMPLE,
    VERSION_EXAMPLE,
    Restoration,
    TemplateShape,
    VersionShape,
    template_shape,
    version_shape,
)
from api.routes.templates import find_template
from api.shapes import Page
from relay.errors import NotFound
from relay.store.database import Transaction
from relay.templates import changes, records
from relay.templates.records import KeptTemplate

_LARGEST = 2**31


async def list_versions(call: Call, query: Paged) -> Page[VersionShape]:
    """The versions without their texts, newest first."""
    template = await find_template(call)
    rows = await records.versions(call.house.db, template, query.limit + 1, _before(query))
    return page(
        rows,
        query.limit,
        lambda version: version_shape(template, version, whole=False),
        lambda version: str(version.version),
    )


async def get_version(call: Call) -> VersionShape:
    template = await find_template(call)
    return version_shape(template, await records.version(call.house.db, template, _number(call)), whole=True)


async def restore_version(call: Call, body: Restoration) -> TemplateShape:
    """The template, whose draft says what that version said."""
    known, number = await find_template(call), _number(call)
    # A replay is answered before anything is read, so this only spares work.
    await records.version(call.house.db, known, number)

    async def work(tx: Transaction) -> KeptTemplate:
        template = await records.get(tx, call.tenant_id, known.id)
        restored = await changes.restore(tx, call.house.clock, template, number)
        return await changes.publish(tx, call.house.clock, restored) if body.publish else restored

    return await call.once.run(work, template_shape)


def _number(call: Call) -> int:
    text = call.path["version"]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < _LARGEST):
        raise NotFound(f"no version {text}")
    return int(text)


def _before(query: Paged) -> int | None:
    place = query.before
    if place is None:
        return None
    if not (place.isascii() and place.isdigit() and len(place) < 10):
        raise invalid("?cursor", "is not a next_cursor of ours")
    return int(place)


_PATH = "/v1/templates/{template}/versions"
_LISTED: dict[str, Any] = {
    name: value for name, value in VERSION_EXAMPLE.items() if name not in ("html", "mjml", "text")
}

OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "templates:read",
        "List the versions",
        list_versions,
        query=Paged,
        answer=Page[VersionShape],
        answers={"data": [_LISTED], "has_more": False, "next_cursor": None},
        errors=("not_found",),
        description="The last hundred that were published.",
    ),
    Operation(
        "GET",
        _PATH + "/{version}",
        "templates:read",
        "One version",
        get_version,
        answer=VersionShape,
        answers=VERSION_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        _PATH + "/{version}/restore",
        "templates:write",
        "Take a version up again",
        restore_version,
        body=Restoration,
        answer=TemplateShape,
        example={"publish": True},
        answers={**TEMPLATE_EXAMPLE, "published_version": 4},
        errors=("not_found",),
    ),
)
