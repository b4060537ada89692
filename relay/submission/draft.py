"""What a door asks to have sent, and what we promise when we take it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.errors import PosthouseError, Refusal
from relay.guards.onlooker import Written
from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.message.trace import Origin
from relay.queue.records import QueuedRecipient
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.submission.control_fields import Wishes
from relay.tenants.guards import Guards
from relay.tenants.mailboxes import Mailbox


class Replayed(PosthouseError):
    """This was asked and done before; `answer` is what was said then."""

    def __init__(self, answer: str) -> None:
        super().__init__("done before")
        self.answer = answer


class Rehearsed(PosthouseError):
    """An errand was only to see what would be done: all was decided, and nothing is kept."""


class Errand(Protocol):
    """What a door wants done in the transaction that takes its draft."""

    async def begin(self, tx: Transaction) -> None:
        """Before anything is written; may raise Replayed or a Refusal, and nothing is."""
        ...

    async def finish(self, tx: Transaction, message: Message, recipients: Sequence[QueuedRecipient]) -> None:
        """When message and recipients are written; raising undoes them."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """One message, offered for sending.

    `mailbox` is whose rules and allowance apply; None for what we write
    ourselves (a DSN), which is exempt from both. `guards` are keys under
    which this very message must not be taken twice; they are kept in the
    transaction that takes it. A door that composes mail may name it
    beforehand (`id`), says its wishes here instead of in header fields, and
    may send it for trial (`is_test`): then it goes to nobody and costs nothing.
    What it says is `written` where more than that was composed; it is about
    the message `answers`. `key_guards` hold besides the mailbox's own. Mail
    of ours has a `signing_domain` where it speaks for one. With
    `refuses_suppressed` mail of which all recipients are suppressed is
    refused; else it is taken, and its sender told.
    """

    tenant_id: str
    mailbox: Mailbox | None
    envelope: Envelope
    content: Content
    origin: Origin
    guards: tuple[str, ...] = ()
    id: str | None = None
    wishes: Wishes | None = None
    is_test: bool = False
    refuses_suppressed: bool = False
    errand: Errand | None = None
    written: Written | None = None
    answers: str | None = None
    key_guards: Guards | None = None
    signing_domain: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """We have it, on disk. `repeated` says that we had it already, from an earlier try of the client.

    `held`: it waits for a person to approve it.
    """

    message_id: str
    repeated: bool = False
    scheduled_for: datetime | None = None
    held: bool = False


class LotErrand(Protocol):
    """What a door wants done in the transaction that takes several of its drafts; they are named by place."""

    async def begin(self, tx: Transaction) -> Collection[int]:
        """Those that are to be taken; the others are left alone."""
        ...

    async def finish(
        self, tx: Transaction, taken: Mapping[int, Accepted], refused: Mapping[int, Refusal]
    ) -> None:
        """When all that could be taken are written; raising undoes them. May be called more than once."""
        ...
