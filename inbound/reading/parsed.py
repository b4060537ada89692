"""What a reading of one message yields. It travels between processes, so it is plain data.

Texts are Unicode without lone surrogates and NUL. Whatever could not be read
is absent here and named in `flags`; the raw message always has it.
"""

from typing import Literal

import msgspec

from relay.message.person import Person


class Attachment(msgspec.Struct, frozen=True):
    """One part that is no text of the message. `part` is its place among all leaves, from 0.

    `filename` is one harmless path component, perhaps empty. `size` counts
    octets after decoding.
    """

    part: int
    filename: str
    content_type: str
    disposition: Literal["attachment", "inline"]
    content_id: str | None
    size: int


class Report(msgspec.Struct, frozen=True):
    """A machine-readable part (RFC 6522): of a DSN (RFC 3464), a complaint (RFC 5965) or an MDN (RFC 8098).

    `groups` are its groups of fields, names in lower case; the first is about
    the message, in a DSN each other one about a recipient. `original` holds
    the fields of the returned message or header.
    """

    kind: Literal["delivery-status", "feedback-report", "disposition-notification"]
    groups: tuple[dict[str, list[str]], ...]
    original: dict[str, list[str]]


class FoundBounce(msgspec.Struct, frozen=True):
    """An address that a notice in no standard form says it could not reach."""

    address: str
    permanent: bool


class Parsed(msgspec.Struct, frozen=True):
    """One message, taken apart.

    `fields` are the header's own fields by lower-case name, unfolded and
    decoded for showing, each cut at 10 000 characters. Message-IDs are in
    their angle brackets; `references` are the last 100, oldest first.
    `date` is microseconds since the epoch. `text` is the plain text, made
    from `html` where there is no other; both are whole up to 4 MiB of UTF-8.
    """

    sender: tuple[Person, ...] = ()
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    date: int | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    thread_index: str | None = None
    fields: dict[str, list[str]] = {}
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    report: Report | None = None
    bounces: tuple[FoundBounce, ...] = ()
    flags: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The first field of that name, empty when there is none."""
        return next(iter(self.fields.get(name.lower(), ())), "")


class Separated(msgspec.Struct, frozen=True):
    """The new part of a message, apart from what it quotes and from its signature.

    `visible_text` is what a person would see: `hidden_text` holds what was
    there for programs only (zero size, colour of the ground, off the screen).
    """

    extracted_text: str
    extracted_html: str | None = None
    signature: str = ""
    visible_text: str = ""
    hidden_text: str = ""
