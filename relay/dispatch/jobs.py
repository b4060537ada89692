"""What is carried, and whither."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from relay.queue.records import QueuedRecipient
from relay.spool.records import Message, StoredContent

RECIPIENTS_PER_JOB = 100
# Octets of a body that is kept at hand with its job: what waits in lanes must not fill the memory.
SMALL = 32 * 1024


@dataclass(frozen=True, slots=True)
class Heading:
    """Whither mail goes: a destination by MX, a domain of ours, or, if None, the smarthost for all others."""

    destination: str | None
    is_local: bool = False

    def __str__(self) -> str:
        return self.destination or ("this house" if self.is_local else "the smarthost")


@dataclass(frozen=True, slots=True)
class Job:
    """Recipients of one message that travel in one transaction; `loaded` is the message, if it is at hand."""

    message_id: str
    is_local: bool
    recipients: tuple[QueuedRecipient, ...]
    loaded: tuple[Message, StoredContent] | None = field(default=None, compare=False, repr=False)


def jobs_of(recipients: Sequence[QueuedRecipient]) -> Iterable[Job]:
    """Recipients of one message that go the same way go together, up to what one transaction should hold.

    They are all of one destination, or all of one message.
    """

    def belongs(recipient: QueuedRecipient) -> tuple[str, str, bool]:
        return recipient.message_id, recipient.destination, recipient.is_local

    ordered = sorted(recipients, key=lambda recipient: (*belongs(recipient), recipient.position))
    for (message_id, _, is_local), group in groupby(ordered, belongs):
        members = tuple(group)
        for start in range(0, len(members), RECIPIENTS_PER_JOB):
            yield Job(message_id, is_local, members[start : start + RECIPIENTS_PER_JOB])
