"""Idempotency-Key: what a client asks twice is done once, and answered the same both times.

The answer is kept in the transaction that does the work, so there is no
moment at which one is there without the other. Refusals are not kept: they
did nothing, and the next try may fare better.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from starlette.types import Scope

from api.auth import Caller
from api.house import House
from api.problems import invalid
from relay.queue.records import QueuedRecipient
from relay.spool.records import Message
from relay.store.database import Transaction, Work
from relay.submission import repeats
from relay.submission.draft import Replayed

T = TypeVar("T")
A = TypeVar("A", bound=Struct | None)

Through: TypeAlias = Callable[[Work[A]], Awaitable[A]]
Render: TypeAlias = Callable[[Message, Sequence[QueuedRecipient]], A]

HEADER = "Idempotency-Key"
IN_BODY = "$.idempotency_key"
_KEY = re.compile(r"[\x20-\x7e]{1,256}\Z")


class KeptAnswer(Struct, frozen=True):
    """An answer as it is kept: the body is JSON text."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The client's key made ours, and the digest of what it stands for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a key stands for: this very request of this caller."""

    scope: Scope
    caller: Caller
    body: bytes

    def key(self, text: str, path: str) -> RequestKey:
        """The key of that name; raises Problem (422) for what cannot be one.

        Keys with other rights do not share it: nobody is answered what is not theirs.
        """
        if not _KEY.match(text):
            raise invalid(path, "is 1 to 256 printable ASCII characters")
        place = f"{self.scope['method']} {self.scope['path']}"
        digest = hashlib.sha256(f"{place}?".encode() + self.scope["query_string"] + b"\n" + self.body)
        reach = self.caller.reach
        owner = f"{self.caller.mode}:{','.join((*reach.inboxes, *reach.domains)) if reach else ''}"
        return RequestKey(f"api:{owner}:{place}:{text}", digest.hexdigest())

    def key_of_header(self) -> RequestKey | None:
        """The one that the header names, if it does; raises Problem (422)."""
        given = [value for name, value in self.scope["headers"] if name == b"idempotency-key"]
        if not given:
            return None
        return self.key(given[0].decode("latin-1") if len(given) == 1 else "", HEADER)


@dataclass(slots=True)
class Once:
    """One request's way to be done once. Without a key everything is simply done."""

    house: House
    caller: Caller
    key: RequestKey | None
    status: int
    is_kept: bool = False
    asked: Asked | None = None
    _kept: tuple[Struct | None, bytes] | None = None

    def name(self, text: str | None) -> None:
        """The key as the body has it; raises Problem (422) where the header has another one."""
        if text is None or self.asked is None:
            return
        named = self.asked.key(text, IN_BODY)
        if self.key is not None and self.key.key != named.key:
            raise invalid(IN_BODY, f"is another one than that of the header {HEADER}")
        self.key = named

    async def run(
        self,
        work: Work[T],
        render: Callable[[T], A],
        *,
        kept: Callable[[T], A] | None = None,
        through: "Through[A] | None" = None,
    ) -> A:
        """Do `work` in one transaction with keeping the answer that `render` makes of its result.

        `kept` makes the answer that a replay gets, where it leaves something out.
        `through` runs the transaction, such as `directory.change`; the store by default.
        """

        async def whole(tx: Transaction) -> A:
            await self.begin(tx)
            result = await work(tx)
            await self.keep(tx, (kept or render)(result))
            return render(result)

        return await (through or self.house.db.transact)(whole)

    def errand(self, render: "Render[A]") -> "SendErrand[A]":
        """What a draft carries into `accept`, so that the answer is kept with the message."""
        return SendErrand(self, render)

    async def begin(self, tx: Transaction) -> None:
        """Raise Replayed if this was done before, or IdempotencyMismatch if something else was."""
        if self.key is not None:
            answer = await repeats.answered(
                tx, self.house.clock, self.caller.tenant_id, self.key.key, self.key.fingerprint
            )
            if answer is not None:
                raise Replayed(answer)

    async def keep(self, tx: Transaction, answer: Struct | None) -> None:
        """Remember the answer, in the transaction that did the work."""
        if self.key is None:
            return
        body = b"" if answer is None else msgspec.json.encode(answer)
        text = msgspec.json.encode(KeptAnswer(self.status, body.decode())).decode()
        await repeats.keep_answer(
            tx, self.house.clock, self.caller.tenant_id, self.key.key, self.key.fingerprint, text
        )
        self.is_kept = True
        self._kept = answer, body

    def octets_of(self, answer: Struct) -> bytes:
        """The answer as it is sent: in the octets in which it was kept, if it was."""
        if self._kept is not None and self._kept[0] is answer:
            return self._kept[1]
        return msgspec.json.encode(answer)

    async def look(self) -> None:
        """As `begin`, before anything is examined: the first answer stands whatever has changed since."""
        if self.key is not None:
            answer = await repeats.answered(
                self.house.db, self.house.clock, self.caller.tenant_id, self.key.key, self.key.fingerprint
            )
            if answer is not None:
                raise Replayed(answer)


@dataclass(slots=True)
class SendErrand(Generic[A]):
    """An `Errand` of `accept`; `answer` is there when the message is, unless it was a repeated one."""

    once: Once
    render: "Render[A]"
    answer: A | None = field(default=None)

    async def begin(self, tx: Transaction) -> None:
        await self.once.begin(tx)

    async def finish(self, tx: Transaction, message: Message, recipients: Sequence[QueuedRecipient]) -> None:
        self.answer = self.render(message, recipients)
        await self.once.keep(tx, self.answer)
