"""Who reads mail for those who guard it: what it says, what its conversation has said, who wrote first.

Reading is inbound's work, which submission does not know: whoever reads puts
itself here, as couriers do in `queue.handover`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.address import Address
from relay.errors import Refusal
from relay.message.content import Body
from relay.replies import SmtpReply


class NobodyReads(Refusal):
    """This process, or the reader of mail, cannot say what a guarded message holds: nothing is guessed."""

    reply = SmtpReply(451, "4.3.0", "This message is guarded, and cannot be read now; try again later")
    code = "not_accepting"


class NotWhole(Refusal):
    """A guarded message in which something may hide: its parts or texts cannot all be read."""

    code = "validation_error"

    def __init__(self, doubts: Iterable[str]) -> None:
        told = f"This message is guarded, and cannot be read wholly ({', '.join(sorted(doubts))})"
        super().__init__(told, SmtpReply(550, "5.7.1", told))


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """An attachment; `digest` is SHA-256 over its octets."""

    filename: str
    content_type: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What a message says as its author wrote it, before anything of ours is added."""

    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a message holds. Links are in the one form in which they are compared (`message.links`)."""

    text: str
    links: tuple[str, ...]
    attachments: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the messages that one answers, and their threads, have held before."""

    links: frozenset[str] = frozenset()
    attachments: frozenset[bytes] = frozenset()


class Reads(Protocol):
    async def read(self, header: bytes, body: Body, written: Written | None = None) -> Said:
        """What it says; `written` stands for its texts where it is known. Raises NobodyReads."""
        ...

    async def conversation(
        self, mailbox_id: str, header_ids: Sequence[str], sizes: Collection[int], answers: str | None = None
    ) -> Conversation:
        """What stands where these Message-IDs belong, and the message `answers`; attachments of these sizes.

        Raises NobodyReads.
        """
        ...

    async def who_wrote(self, mailbox_id: str, addresses: Sequence[Address]) -> frozenset[str]:
        """The keys of those of the addresses from which mail has come to the mailbox."""
        ...


@dataclass(slots=True)
class Onlooker:
    """Where those who guard find the one who reads."""

    _reads: Reads | None = field(default=None)

    def serve(self, reads: Reads) -> None:
        """From now on it is `reads` who is asked."""
        self._reads = reads

    @property
    def reads(self) -> Reads:
        """Raises NobodyReads where nobody does, as in a command beside no daemon."""
        if self._reads is None:
            raise NobodyReads("nobody reads mail in this process")
        return self._reads
