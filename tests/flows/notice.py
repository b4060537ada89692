"""One delivery status notification, taken apart (RFC 3464)."""

import email.policy
from dataclasses import dataclass
from email.message import Message
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Notice:
    """`about` are the fields of the whole message, `recipients` those of each recipient."""

    message: Message
    text: str
    about: Message
    recipients: list[Message]
    original: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Notice":
        message = email.message_from_bytes(raw, policy=email.policy.SMTP)
        text, status, original = cast("list[Any]", message.get_payload())
        about, *recipients = status.get_payload()
        return cls(message, text.get_content(), about, recipients, original.as_bytes())

    @property
    def actions(self) -> list[str]:
        """What became of each recipient."""
        return [recipient["Action"] for recipient in self.recipients]
