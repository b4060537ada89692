"""Making, changing, publishing and removing templates, each with its event in the transaction handed in.

What is sent is the published version; the draft may say something else until
it is published as the next one. A version never changes.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from relay.clock import Clock, to_us
from relay.errors import AlreadyExists, InvalidInput, Refusal
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.replies import SmtpReply
from relay.store.database import Reader, Transaction
from relay.templates import limits, records
from relay.templates.content import Content
from relay.templates.records import KeptTemplate, KeptVersion

PREFIX = "tmp"
NAME = r"^(?!tmp_)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_NAME = re.compile(NAME)


class TooManyTemplates(Refusal):
    """The tenant has as many as there may be."""

    code = "quota_exceeded"
    reply = SmtpReply(452, "4.7.1", f"There are {limits.TEMPLATES} templates already")


@dataclass(frozen=True, slots=True)
class Examined:
    """What a template is to say, and the variables for which it asks."""

    content: Content
    variables: tuple[str, ...]


async def create(
    tx: Transaction, clock: Clock, tenant_id: str, name: str, description: str, said: Examined
) -> KeptTemplate:
    """The new template, a draft; raises InvalidInput, AlreadyExists, TooManyTemplates."""
    await _check_name(tx, tenant_id, name)
    if await records.count(tx, tenant_id) >= limits.TEMPLATES:
        raise TooManyTemplates(f"tenant {tenant_id} has {limits.TEMPLATES} templates")
    now = to_us(clock.now())
    template = KeptTemplate(
        id=new_id(PREFIX, clock),
        tenant_id=tenant_id,
        name=name,
        description=description,
        draft=said.content,
        variables=said.variables,
        published=None,
        is_changed=True,
        created_at=now,
        updated_at=now,
    )
    await records.insert(tx, template)
    await _tell(tx, clock, EventKind.TEMPLATE_CREATED, template, after=template)
    return template


async def change(tx: Transaction, clock: Clock, before: KeptTemplate, after: KeptTemplate) -> KeptTemplate:
    """The template as `after` says, with what that means for its publication; raises AlreadyExists."""
    if after.name != before.name:
        await _check_name(tx, before.tenant_id, after.name)
    published = await _published(tx, after)
    is_changed = published is None or published.content != after.draft
    after = replace(after, is_changed=is_changed, updated_at=to_us(clock.now()))
    await records.rewrite(tx, after)
    await _tell(tx, clock, EventKind.TEMPLATE_UPDATED, after, before=before, after=after)
    return after


async def publish(tx: Transaction, clock: Clock, template: KeptTemplate) -> KeptTemplate:
    """The draft is the next version, which is sent from now on; where nothing differs nothing happens.

    Raises InvalidInput for one that says nothing.
    """
    if not template.draft.says_something:
        raise InvalidInput("the template says nothing: it has neither html, mjml nor text")
    if not template.is_changed:
        return template
    now = to_us(clock.now())
    number = (template.published or 0) + 1
    new = KeptVersion(template.id, template.tenant_id, number, template.draft, template.variables, now)
    await records.add_version(tx, new, limits.VERSIONS)
    before, template = template, replace(template, published=number, is_changed=False, updated_at=now)
    await records.rewrite(tx, template)
    await _tell(tx, clock, EventKind.TEMPLATE_PUBLISHED, template, before=before, after=template)
    return template


async def restore(tx: Transaction, clock: Clock, template: KeptTemplate, number: int) -> KeptTemplate:
    """The draft says what that version said; raises NotFound."""
    old = await records.version(tx, template, number)
    return await change(tx, clock, template, replace(template, draft=old.content, variables=old.variables))


async def remove(tx: Transaction, clock: Clock, template: KeptTemplate) -> None:
    """It is gone, with its versions; somebody else may have been faster."""
    if await records.find(tx, template.tenant_id, template.id) is not None:
        await records.delete(tx, template)
        await _tell(tx, clock, EventKind.TEMPLATE_REMOVED, template, before=template)


async def _published(reader: Reader, template: KeptTemplate) -> KeptVersion | None:
    if template.published is None:
        return None
    return await records.version(reader, template, template.published)


async def _check_name(tx: Transaction, tenant_id: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput("a template's name is letters, digits, . _ and -", field="name")
    if await records.find(tx, tenant_id, name) is not None:
        raise AlreadyExists(f"there is a template {name} already")


async def _tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    template: KeptTemplate,
    *,
    before: KeptTemplate | None = None,
    after: KeptTemplate | None = None,
) -> None:
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=template.tenant_id,
        data={"template_id": template.id, "name": template.name, "version": template.published},
        before=None if before is None else _brief(before),
        after=None if after is None else _brief(after),
    )


def _brief(template: KeptTemplate) -> dict[str, Any]:
    """What the audit log says of it: of its words, which may be long, only a mark by which they differ."""
    words = hashlib.sha256(msgspec.json.encode(template.draft)).hexdigest()[:16]
    return {
        "name": template.name,
        "description": template.description,
        "draft": words,
        "published": template.published,
    }
