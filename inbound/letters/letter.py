"""What a mailbox knows of one message at a glance, and the row that it stands in."""

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from inbound.authenticate.results import Authentication
from inbound.reading.parsed import Attachment
from inbound.screening import Screening
from relay.message.person import Person
from relay.store.database import Row, Value
from relay.store.text import storable, storable_json

S = TypeVar("S", bound=msgspec.Struct)

Standing: TypeAlias = Literal["accepted", "blocked", "quarantined"]
Method: TypeAlias = Literal[
    "new",
    "given",
    "reply_address",
    "bounce_address",
    "in_reply_to",
    "references",
    "thread_index",
    "answered",
    "merged",
    "split",
]


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Who is named in the header; `bcc` only for mail that was composed here."""

    sender: tuple[Person, ...] = ()
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """How a letter came into its thread, and what proved it."""

    method: Method = "new"
    evidence: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message in one mailbox. `at` is microseconds; `sender` an address key, perhaps empty.

    `header_id` is its own Message-ID, `in_reply_to` the one it answers first,
    both in angle brackets. `evidence` says why it is of its kind.
    """

    number: int
    message_id: str
    tenant_id: str
    mailbox_id: str
    thread_id: str
    direction: Literal["out", "in"]
    at: int
    kind: str
    people: People
    match: Match
    automatic: bool = False
    intent: str | None = None
    standing: Standing = "accepted"
    sender: str = ""
    header_id: str = ""
    in_reply_to: str | None = None
    thread_index: str | None = None
    subject: str = ""
    preview: str = ""
    references: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    labels: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    authentication: Authentication | None = None
    screening: Screening | None = None


COLUMNS = (
    "number, message_id, tenant_id, mailbox_id, thread_id, direction, at, kind, automatic, intent, standing,"
    " sender, header_id, in_reply_to, thread_index, subject, preview, people, refs, attachments, labels,"
    " flags, evidence, match, authentication, screening"
)
COLUMNS_OF_L = ", ".join(f"l.{name.strip()}" for name in COLUMNS.split(","))
SELECT = f"select {COLUMNS_OF_L} from letters l"


def from_row(row: Row) -> Letter:
    return Letter(
        number=row["number"],
        message_id=row["message_id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        thread_id=row["thread_id"],
        direction=row["direction"],
        at=row["at"],
        kind=row["kind"],
        automatic=bool(row["automatic"]),
        intent=row["intent"],
        standing=row["standing"],
        sender=row["sender"],
        header_id=row["header_id"],
        in_reply_to=row["in_reply_to"],
        thread_index=row["thread_index"],
        subject=row["subject"],
        preview=row["preview"],
        people=msgspec.json.decode(row["people"], type=People),
        references=tuple(json.loads(row["refs"])),
        attachments=msgspec.json.decode(row["attachments"], type=tuple[Attachment, ...]),
        labels=tuple(json.loads(row["labels"])),
        flags=tuple(json.loads(row["flags"])),
        evidence=tuple(json.loads(row["evidence"])),
        match=msgspec.json.decode(row["match"], type=Match),
        authentication=_maybe(row["authentication"], Authentication),
        screening=_maybe(row["screening"], Screening),
    )


def _maybe(text: str | None, of: type[S]) -> S | None:
    return msgspec.json.decode(text, type=of) if text else None


def to_row(letter: Letter) -> Sequence[Value]:
    """As COLUMNS has it."""
    return (
        letter.number,
        letter.message_id,
        letter.tenant_id,
        letter.mailbox_id,
        letter.thread_id,
        letter.direction,
        letter.at,
        letter.kind,
        int(letter.automatic),
        letter.intent,
        letter.standing,
        storable(letter.sender),
        storable(letter.header_id),
        storable(letter.in_reply_to) if letter.in_reply_to else None,
        letter.thread_index,
        storable(letter.subject),
        storable(letter.preview),
        storable_json(letter.people),
        *[storable_json(each) if each else "[]" for each in _lists_of(letter)],
        storable_json(letter.match),
        storable_json(letter.authentication) if letter.authentication else None,
        storable_json(letter.screening) if letter.screening else None,
    )


def _lists_of(letter: Letter) -> Sequence[Sequence[Any]]:
    return letter.references, letter.attachments, letter.labels, letter.flags, letter.evidence
