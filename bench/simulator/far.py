"""The far side of the world: destinations that are well, slow, dead, strict or greylisting."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import Any, cast

from relay.delivery.outcome import Fate, Outcome, Phase, Reason, Scope
from relay.dispatch.lanes import Kept
from relay.queue.records import QueuedRecipient
from relay.replies import SmtpReply

DIAL_TIMEOUT = 30.0
GREY_FOR = 300.0
YES = SmtpReply(250, "2.0.0", "ok")
LATER = SmtpReply(451, "4.7.1", "greylisted")
BROKEN = SmtpReply(421, "4.4.2", "connection lost")
NOBODY = SmtpReply(451, "4.4.1", "nobody answers")
TOO_MUCH = SmtpReply(421, "4.7.0", "too much from you")


class Kind(Enum):
    WELL = "well"
    SLOW = "slow"
    DEAD = "dead"
    STRICT = "rate-limited"
    GREY = "greylisting"


# How many of a hundred destinations are so.
SHARES = {Kind.WELL: 60, Kind.SLOW: 10, Kind.DEAD: 10, Kind.STRICT: 10, Kind.GREY: 10}


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Destination:
    """One destination. `connections` and `per_minute` are its limits, which it has told us (0: none)."""

    name: str
    kind: Kind
    rng: random.Random
    latency: float
    connections: int = 10
    per_minute: int = 0
    recovers_at: float = 0.0
    open: int = 0
    most_open: int = 0
    exceeded: int = 0
    _begun: deque[float] = field(default_factory=deque)
    _met: dict[str, float] = field(default_factory=dict)

    async def transfer(self, recipient: QueuedRecipient, kept: Kept) -> Outcome:
        """One message over the connection that is kept, or a new one."""
        if now() < self.recovers_at:
            await kept.close()
            await asyncio.sleep(DIAL_TIMEOUT)
            return _outcome(recipient, Fate.DEFERRED, Scope.SITE, NOBODY)
        if kept.connection is None:
            kept.connection = cast(Any, Connected(self))  # it needs only to be closed
            await asyncio.sleep(self.latency)
        if self._is_too_much():
            return _outcome(recipient, Fate.DEFERRED, Scope.SESSION, TOO_MUCH)
        await asyncio.sleep(self.latency * self.rng.uniform(0.5, 1.5))
        if self.kind is Kind.SLOW and self.rng.random() < 0.02:
            await kept.close()
            return _outcome(recipient, Fate.DEFERRED, Scope.SESSION, BROKEN)
        if self.kind is Kind.GREY and now() - self._met.setdefault(recipient.message_id, now()) < GREY_FOR:
            return _outcome(recipient, Fate.DEFERRED, Scope.RECIPIENT, LATER)
        self._met.pop(recipient.message_id, None)
        return _outcome(recipient, Fate.DELIVERED, Scope.RECIPIENT, YES)

    def _is_too_much(self) -> bool:
        """Whether this message is one more than a minute may have."""
        if self.per_minute:
            at = now()
            while self._begun and self._begun[0] <= at - 60:
                self._begun.popleft()
            self._begun.append(at)
            if len(self._begun) > self.per_minute:
                self.exceeded += 1
                return True
        return False


class Connected:
    """An open connection, as lanes keep it."""

    def __init__(self, far: Destination) -> None:
        self._far = far
        far.open += 1
        far.most_open = max(far.most_open, far.open)
        far.exceeded += far.open > far.connections

    async def close(self) -> None:
        self._far.open -= 1


def world(count: int, seed: int, *, dead_for: float) -> list[Destination]:
    """So many destinations; half of the dead come back after `dead_for` seconds, the others never."""
    rng = random.Random(seed)
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    made = []
    for number in range(count):
        kind = kinds[number * 37 % 100]
        far = Destination(f"far{number:04}.example", kind, random.Random(seed * count + number), 0.3)
        if kind is Kind.SLOW:
            far.latency = rng.uniform(5, 20)
        if kind is Kind.STRICT:
            far.connections, far.per_minute = rng.choice([1, 2, 5]), rng.choice([60, 120, 300])
        if kind is Kind.DEAD:
            far.recovers_at = dead_for if rng.random() < 0.5 else float("inf")
        made.append(far)
    return made


def popularity(fars: list[Destination], messages: int, seconds: float) -> list[float]:
    """Cumulative weights: a few destinations have most of the mail, none more than it can take."""
    weights = []
    for place, far in enumerate(fars):
        weight = 1 / (place + 10)
        rate = far.per_minute / 60 if far.per_minute else far.connections / far.latency / 2
        weights.append((weight, 0.7 * rate * seconds / messages))
    total = sum(weight for weight, _ in weights)
    return list(accumulate(min(weight / total, most) for weight, most in weights))


def _outcome(recipient: QueuedRecipient, fate: Fate, scope: Scope, reply: SmtpReply) -> Outcome:
    return Outcome(
        recipient_id=recipient.id,
        fate=fate,
        scope=scope,
        reply=reply,
        reason=Reason.UNKNOWN,
        phase=Phase.FINAL_DOT if fate is Fate.DELIVERED else Phase.RECIPIENT,
    )
