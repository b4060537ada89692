"""What a message and a thread look like in an answer."""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, UnsetType, field

from api.shapes import Shape
from inbound.authenticate.results import Authentication
from inbound.letters.letter import Match
from inbound.reading.parsed import Attachment
from inbound.screening import Screening
from relay.message.person import Person


class AttachmentShape(Shape, kw_only=True, frozen=True):
    """`size` counts octets; the content is at `…/messages/{id}/attachments/{attachment id}`."""

    id: str
    filename: str
    content_type: str
    disposition: Literal["attachment", "inline"]
    content_id: str | None
    size: int

    @classmethod
    def of(cls, attachment: Attachment) -> "AttachmentShape":
        return cls(
            id=f"att_{attachment.part}",
            filename=attachment.filename,
            content_type=attachment.content_type,
            disposition=attachment.disposition,
            content_id=attachment.content_id,
            size=attachment.size,
        )


class RecipientShape(Shape, kw_only=True, frozen=True):
    """What became of one recipient; `reply` is what its server said last."""

    address: str
    status: str
    reason: str | None
    mx: str | None
    reply: str | None
    attempts: int
    next_attempt_at: datetime | None


class MessageShape(Shape, kw_only=True, frozen=True):
    """One message in one inbox. Lists leave the texts out.

    `status` is `received` for mail that came, else its least advanced
    recipient's, or `partial`. `extracted_text` is the new text alone.
    """

    id: str
    inbox_id: str
    thread_id: str
    direction: Literal["in", "out"]
    message_id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    sender: Person | None = field(name="from")
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    subject: str
    preview: str
    text: str | UnsetType | None = UNSET
    html: str | UnsetType | None = UNSET
    extracted_text: str | UnsetType | None = UNSET
    extracted_html: str | UnsetType | None = UNSET
    visible_text: str | UnsetType | None = UNSET
    hidden_text: str | UnsetType | None = UNSET
    signature: str | UnsetType | None = UNSET
    attachments: tuple[AttachmentShape, ...]
    labels: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: dict[str, str]
    size: int
    status: str
    recipients: tuple[RecipientShape, ...]
    classification: str
    automatic: bool
    intent: str | None
    standing: Literal["accepted", "blocked", "quarantined"]
    match: Match
    evidence: tuple[str, ...]
    flags: tuple[str, ...]
    authentication: Authentication | None
    screening: Screening | None
    test: bool
    send_at: datetime | None
    created_at: datetime


class ThreadShape(Shape, kw_only=True, frozen=True):
    """A conversation; `messages` are its messages, oldest first, in the answer about one thread alone.

    Of a very long one the oldest come without their texts: each message alone has them.
    """

    id: str
    inbox_id: str
    subject: str
    message_count: int
    labels: tuple[str, ...]
    started_at: datetime
    last_message_at: datetime
    messages: tuple[MessageShape, ...] | UnsetType = UNSET
