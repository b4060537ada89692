"""What one command did to the queue, in the audit log: an entry for each tenant whose mail it was.

A command works in parts, each a transaction; its entries stand since the
first of them and tell how many have been turned so far. So a command that
breaks off has told exactly what it did.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from relay.clock import Clock
from relay.events import audit
from relay.ids import new_id
from relay.queue.records import QueuedRecipient
from relay.store.database import Transaction


class Tally:
    """Of one command; `chosen` is what was named to it."""

    def __init__(self, clock: Clock, action: str, target: str | None, chosen: Mapping[str, Any]) -> None:
        self._clock = clock
        self._action = action
        self._target = target
        self._chosen = chosen
        self._changed = Counter[str]()
        self._entries: dict[str, str] = defaultdict(lambda: new_id("aud", clock))

    async def note(self, tx: Transaction, found: Iterable[QueuedRecipient]) -> Counter[str]:
        """Write down that these are turned; what is returned is for `keep`, when it is committed."""
        part = Counter(recipient.tenant_id for recipient in found)
        for tenant_id, number in part.items():
            await audit.note(
                tx,
                self._clock,
                self._entries[tenant_id],
                self._action,
                tenant_id=tenant_id,
                target=self._target,
                data={**self._chosen, "changed": self._changed[tenant_id] + number},
            )
        return part

    def keep(self, part: Counter[str]) -> None:
        """Those of a part are done."""
        self._changed += part

    @property
    def total(self) -> int:
        return self._changed.total()
