"""Drafts: what somebody began to write. Owns the table `drafts`.

A draft is gone in the transaction that takes its message, so that sending it
twice sends it once.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from relay.clock import Clock, to_us
from relay.errors import NotFound, PosthouseError
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction

Kind: TypeAlias = Literal["new", "reply", "reply_all", "forward"]

_LISTED = "id, tenant_id, mailbox_id, kind, parent_id, content, created_at, updated_at"
_COLUMNS = f"{_LISTED}, files"


class DraftChanged(PosthouseError):
    """It was rewritten since it was read, so what was read is not what is meant now."""


@dataclass(frozen=True, slots=True)
class NewDraft:
    """A draft to be kept. `content` is the JSON of whoever writes it, `files` what is attached."""

    tenant_id: str
    mailbox_id: str
    content: str
    files: bytes | None = None
    kind: Kind = "new"
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """A draft as it is kept. Instants are microseconds. Lists leave the `files` out."""

    id: str
    tenant_id: str
    mailbox_id: str
    kind: Kind
    parent_id: str | None
    content: str
    created_at: int
    updated_at: int
    files: bytes | None = None


async def add(tx: Transaction, clock: Clock, new: NewDraft) -> KeptDraft:
    """The new draft."""
    now = to_us(clock.now())
    draft = KeptDraft(
        id=new_id("dft", clock),
        tenant_id=new.tenant_id,
        mailbox_id=new.mailbox_id,
        kind=new.kind,
        parent_id=new.parent_id,
        content=new.content,
        created_at=now,
        updated_at=now,
        files=new.files,
    )
    await tx.execute(
        f"insert into drafts ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",  # noqa: S608
        draft.id,
        draft.tenant_id,
        draft.mailbox_id,
        draft.kind,
        draft.parent_id,
        draft.content,
        now,
        now,
        draft.files,
    )
    return draft


async def get(reader: Reader, tenant_id: str, mailbox_id: str, draft_id: str) -> KeptDraft:
    """A draft of that mailbox, with its files; raises NotFound, also for somebody else's."""
    row = await reader.fetch_one(
        f"select {_COLUMNS} from drafts where id = $1 and mailbox_id = $2 and tenant_id = $3",  # noqa: S608
        draft_id,
        mailbox_id,
        tenant_id,
    )
    if row is None:
        raise NotFound(f"no draft {draft_id} in this inbox; perhaps it was sent or removed")
    return replace(_draft(row), files=row["files"])


async def page(
    reader: Reader, tenant_id: str, mailbox_id: str, limit: int, before_id: str | None
) -> list[KeptDraft]:
    """A mailbox's drafts without their files, newest first."""
    rows = await reader.fetch_all(
        f"select {_LISTED} from drafts"  # noqa: S608
        " where mailbox_id = $1 and tenant_id = $2 and ($3 = '' or id < $3) order by id desc limit $4",
        mailbox_id,
        tenant_id,
        before_id or "",
        limit,
    )
    return [_draft(row) for row in rows]


async def rewrite(
    tx: Transaction, clock: Clock, draft: KeptDraft, content: str, files: bytes | None
) -> KeptDraft:
    """The draft with other content; raises NotFound when it is gone meanwhile."""
    after = replace(draft, content=content, files=files, updated_at=to_us(clock.now()))
    changed = await tx.execute(
        "update drafts set content = $1, files = $2, updated_at = $3 where id = $4",
        content,
        files,
        after.updated_at,
        draft.id,
    )
    if not changed:
        raise _gone(draft)
    return after


async def remove(tx: Transaction, draft: KeptDraft) -> None:
    """It is gone; raises NotFound when it was already, so that only one sender takes it."""
    if not await tx.execute("delete from drafts where id = $1", draft.id):
        raise _gone(draft)


async def take(tx: Transaction, draft: KeptDraft) -> None:
    """As `remove`, but only while it is what was read; raises DraftChanged."""
    now = await get(tx, draft.tenant_id, draft.mailbox_id, draft.id)
    if (now.content, now.files) != (draft.content, draft.files):
        raise DraftChanged(f"draft {draft.id} was changed while it was sent")
    await remove(tx, draft)


def _gone(draft: KeptDraft) -> NotFound:
    return NotFound(f"draft {draft.id} is gone; it was sent or removed")


def _draft(row: Row) -> KeptDraft:
    return KeptDraft(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        kind=row["kind"],
        parent_id=row["parent_id"],
        content=row["content"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
