"""What somebody wants to say by mail, before it is a message: plain data, checked when it is composed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from relay.errors import InvalidInput
from relay.message.person import Person


class InvalidComposition(InvalidInput):
    """This cannot be said in a message. `path` names the field: `to[0]`, `attachments[1].filename`."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True)
class ComposedAttachment:
    """A file. One that is inline and has a `content_id` is shown by the HTML as `cid:…`."""

    filename: str
    content_type: str
    content: bytes
    disposition: Literal["attachment", "inline"] = "attachment"
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """What is said, and to whom it says so.

    `headers` are the caller's own fields. Without `message_id` or `date` the
    field is left out: who accepts the message gives it. Message-IDs are in
    their angle brackets. `auto_submitted` is the value of RFC 3834's field.
    """

    sender: Person
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[ComposedAttachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    message_id: str = ""
    date: datetime | None = None
    auto_submitted: str | None = None

    @property
    def needs_utf8(self) -> bool:
        """Whether its header names an address that only SMTPUTF8 can carry (RFC 6531)."""
        people = (self.sender, *self.to, *self.cc, *self.reply_to)
        if "".join([person.address for person in people]).isascii():
            return False
        return any(not person.address.rpartition("@")[0].isascii() for person in people)
