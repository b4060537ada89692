"""One delivery status notification, taken apart (RFC 3464)."""

import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Notice:
    """`about` are the fields of the whole message, `recipients` those of each recipient."""

    message: Message
    text: str
    about: Message
    recipients: Sequence[Message]
    original: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Notice":
        message = email.message_from_bytes(raw, policy=email.policy.SMTP)
        text, status, original = cast("list[Any]", message.get_payload())
        # By hand: `email` does not know message/global-delivery-status (RFC 6533).
        _, *groups = status.as_bytes().split(b"\r\n\r\n")
        about, *recipients = [
            email.message_from_bytes(group, policy=email.policy.SMTPUTF8) for group in groups if group.strip()
        ]
        return cls(message, text.get_content(), about, recipients, original.as_bytes())

    @property
    def actions(self) -> list[str]:
        """What became of each recipient."""
        return [recipient["Action"] for recipient in self.recipients]
