"""What is counted in a simulation, and the table that is printed of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.simulator.far import Destination, Kind
from relay.clock import to_us
from relay.queue.records import QueuedRecipient
from relay.queue.state import State

SOON_US = 60 * 10**6


@dataclass(slots=True)
class Tally:
    """`world` says of which kind a destination is, `clock` is the simulation's."""

    world: Mapping[str, Destination]
    clock: Any
    expire_us: int
    accepted: int = 0
    accepted_by: Counter[Kind] = field(default_factory=Counter)
    soon_by: Counter[Kind] = field(default_factory=Counter)
    attempts: int = 0
    duplicates: int = 0
    # Attempts that were under way when their node died.
    broken_off: int = 0
    ended: Counter[State] = field(default_factory=Counter)
    # Lag: from when a message is due to its attempt.
    largest_lag: dict[Kind, int] = field(default_factory=dict)
    # By the message's number.
    _delivered: bytearray = field(default_factory=bytearray)

    def accept(self, recipient: QueuedRecipient) -> None:
        self.accepted += 1
        self.accepted_by[self._kind(recipient)] += 1

    def began(self, recipient: QueuedRecipient) -> None:
        self.attempts += 1
        kind, lag = self._kind(recipient), to_us(self.clock.now()) - (recipient.due_at or 0)
        self.largest_lag[kind] = max(lag, self.largest_lag.get(kind, 0))

    def delivered(self, recipient: QueuedRecipient) -> None:
        """The far side has it, whatever becomes of our writing that down."""
        if len(self._delivered) <= recipient.id:
            self._delivered.extend(bytes(recipient.id + 1))
        if self._delivered[recipient.id]:
            self.duplicates += 1
            return
        self._delivered[recipient.id] = 1
        accepted_at = (recipient.expires_at or 0) - self.expire_us
        if to_us(self.clock.now()) - accepted_at <= SOON_US:
            self.soon_by[self._kind(recipient)] += 1

    def end(self, recipient: QueuedRecipient, state: State) -> None:
        self.ended[state] += 1

    def _kind(self, recipient: QueuedRecipient) -> Kind:
        return self.world[recipient.destination].kind

    def fairness(self) -> float:
        """Of the mail for destinations that are well, the share that they have within a minute."""
        return self.soon_by[Kind.WELL] / max(self.accepted_by[Kind.WELL], 1)

    def result(self, fars: Sequence[Destination], waiting: int, fenced: int) -> dict[str, Any]:
        """The table, by what each line says."""
        known = sum(self.ended.values()) + waiting
        undelivered = self.ended[State.DELIVERED] - self._delivered.count(1)
        return {
            "accepted": self.accepted,
            "delivered": self.ended[State.DELIVERED],
            "expired": self.ended[State.EXPIRED],
            "held as suspects": self.ended[State.HELD],
            "still waiting": waiting,
            "lost": self.accepted - known + max(undelivered, 0),
            "attempts that died": self.broken_off,
            "delivered twice": self.duplicates,
            "outcomes fenced off": fenced,
            "attempts per message": round(self.attempts / max(self.accepted, 1), 3),
            "well: within a minute": f"{self.fairness():.2%}",
            **{f"largest lag, {kind.value}": f"{self.largest_lag.get(kind, 0) / 1e6:.1f} s" for kind in Kind},
            "limits exceeded": sum(far.exceeded for far in fars),
        }
