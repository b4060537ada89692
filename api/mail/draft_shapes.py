"""Drafts: what comes in, what is kept, and what goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

from api.mail import examples
from api.mail.files import with_type
from api.mail.people import One, People, people_of, person_of
from api.mail.wishes import Attachments, HeaderFields, Labels, Metadata, NewAttachment, Subject, Tags, Word
from api.shapes import Body, Shape
from relay.clock import from_us
from relay.drafts.records import KeptDraft, Kind
from relay.message.person import Person
from relay.message.sniffing import UNKNOWN

MessageId = Annotated[str, Meta(max_length=100)]


class Content(Body, kw_only=True, frozen=True):
    """What a draft says; of a reply, `to` and `cc` are those of the message unless they are given."""

    to: People | None = None
    cc: People | None = None
    bcc: People = []  # noqa: RUF012 - the struct is frozen
    subject: Subject = ""
    text: str | None = None
    html: str | None = None
    attachments: Attachments = ()
    sender: One | None = field(default=None, name="from")
    reply_to: People = []  # noqa: RUF012
    headers: HeaderFields = {}  # noqa: RUF012
    labels: Labels = ()
    tags: Tags = ()
    metadata: Metadata = {}  # noqa: RUF012
    send_at: datetime | None = None
    pool: Word | None = None
    quote: bool = False
    allow_automatic: bool = False


class CreateDraft(Content, kw_only=True, frozen=True):
    """A draft; an answer with `in_reply_to` (to everybody with `reply_all`), a forward with `forward_of`."""

    in_reply_to: MessageId | None = None
    reply_all: bool = False
    forward_of: MessageId | None = None


class PatchDraft(Body, kw_only=True, frozen=True):
    """What is left out stays; null takes a field back to what it is without being given."""

    to: People | UnsetType | None = UNSET
    cc: People | UnsetType | None = UNSET
    bcc: People | UnsetType | None = UNSET
    subject: Subject | UnsetType | None = UNSET
    text: str | UnsetType | None = UNSET
    html: str | UnsetType | None = UNSET
    attachments: Attachments | UnsetType | None = UNSET
    sender: One | UnsetType | None = field(default=UNSET, name="from")
    reply_to: People | UnsetType | None = UNSET
    headers: HeaderFields | UnsetType | None = UNSET
    labels: Labels | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    send_at: datetime | UnsetType | None = UNSET
    pool: Word | UnsetType | None = UNSET
    quote: bool | UnsetType | None = UNSET
    allow_automatic: bool | UnsetType | None = UNSET


class DraftAttachment(Shape, kw_only=True, frozen=True):
    """An attachment of a draft; its content is told by nobody but who gave it."""

    filename: str
    content_type: str
    disposition: Literal["attachment", "inline"]
    content_id: str | None
    size: int


class DraftShape(Shape, kw_only=True, frozen=True):
    """A draft. `to` and `cc` are null where those of the answered message hold."""

    id: str
    inbox_id: str
    kind: Kind
    parent_id: str | None
    sender: Person | None = field(name="from")
    to: tuple[Person, ...] | None
    cc: tuple[Person, ...] | None
    bcc: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    subject: str
    text: str | None
    html: str | None
    attachments: tuple[DraftAttachment, ...]
    headers: dict[str, str]
    labels: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: dict[str, str]
    send_at: datetime | None
    pool: str | None
    quote: bool
    allow_automatic: bool
    created_at: datetime
    updated_at: datetime


class _Kept(Struct, frozen=True):
    """What stands in the store: the content without its files, and how large each of them is."""

    content: Content
    sizes: tuple[int, ...]


def pack(content: Content) -> tuple[str, bytes | None]:
    """The content as it is kept: JSON, and the octets of its files apart."""
    files = [each.content for each in content.attachments]
    bare = structs.replace(
        content, attachments=tuple(_with(with_type(each), b"") for each in content.attachments)
    )
    kept = _Kept(bare, tuple(map(len, files)))
    return msgspec.json.encode(kept).decode(), msgspec.msgpack.encode(files) if files else None


def unpack(draft: KeptDraft) -> Content:
    """What was packed, with its files."""
    content = _kept(draft).content
    files = msgspec.msgpack.decode(draft.files, type=list[bytes]) if draft.files else []
    attachments = tuple(map(_with, content.attachments, files))
    return structs.replace(content, attachments=attachments)


def patched(content: Content, patch: PatchDraft) -> Content:
    """`content` with what the patch gives; null is the field's default."""
    fields, defaults = structs.asdict(content), structs.asdict(Content())
    for name, value in structs.asdict(patch).items():
        if value is not UNSET:
            fields[name] = defaults[name] if value is None else value
    return Content(**fields)


def draft_shape(draft: KeptDraft) -> DraftShape:
    """The draft as it is shown; its files need not have been read."""
    kept = _kept(draft)
    content = kept.content
    return DraftShape(
        id=draft.id,
        inbox_id=draft.mailbox_id,
        kind=draft.kind,
        parent_id=draft.parent_id,
        sender=None if content.sender is None else person_of(content.sender, "$.from"),
        to=None if content.to is None else people_of(content.to, "$.to"),
        cc=None if content.cc is None else people_of(content.cc, "$.cc"),
        bcc=people_of(content.bcc, "$.bcc"),
        reply_to=people_of(content.reply_to, "$.reply_to"),
        subject=content.subject,
        text=content.text,
        html=content.html,
        attachments=tuple(map(_attachment_shape, content.attachments, kept.sizes)),
        headers=content.headers,
        labels=content.labels,
        tags=content.tags,
        metadata=content.metadata,
        send_at=content.send_at,
        pool=content.pool,
        quote=content.quote,
        allow_automatic=content.allow_automatic,
        created_at=from_us(draft.created_at),
        updated_at=from_us(draft.updated_at),
    )


def _kept(draft: KeptDraft) -> _Kept:
    return msgspec.json.decode(draft.content, type=_Kept)


def _with(attachment: NewAttachment, content: bytes) -> NewAttachment:
    return structs.replace(attachment, content=content)


def _attachment_shape(given: NewAttachment, size: int) -> DraftAttachment:
    return DraftAttachment(
        filename=given.filename,
        content_type=given.content_type or UNKNOWN,
        disposition=given.place,
        content_id=given.content_id,
        size=size,
    )


EXAMPLE: dict[str, Any] = {
    "id": "dft_01hw3k9v8g2e4r6t8y0a2s4d",
    "inbox_id": examples.INBOX,
    "kind": "reply",
    "parent_id": examples.MESSAGE,
    "from": None,
    "to": None,
    "cc": None,
    "bcc": [],
    "reply_to": [],
    "subject": "",
    "text": "Then Tuesday it is.",
    "html": None,
    "attachments": [],
    "headers": {},
    "labels": [],
    "tags": [],
    "metadata": {},
    "send_at": "2026-03-03T08:00:00Z",
    "pool": None,
    "quote": True,
    "allow_automatic": False,
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-02T09:00:00Z",
}
