"""What this node has in hand, and until when it is ours.

A node that stood still beyond the end of a lease, in a suspended machine say,
finds its mail with others. What is on the wire then can come twice; what was not
begun is not begun any more.
"""

from collections.abc import Iterable

from relay.clock import Clock, to_us
from relay.queue.records import QueuedRecipient


class Leases:
    """Ends of leases in microseconds, by recipient."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[int, int] = {}

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(self._until)

    def take(self, recipients: Iterable[QueuedRecipient]) -> None:
        self._until.update((recipient.id, recipient.lease_until or 0) for recipient in recipients)

    def put_down(self, recipients: Iterable[QueuedRecipient]) -> None:
        for recipient in recipients:
            self._until.pop(recipient.id, None)

    def extended(self, ids: Iterable[int], until: int) -> None:
        """These are ours for longer; of the others that were in hand, what we knew holds."""
        self._until.update((number, until) for number in ids if number in self._until)

    def hold(self, recipients: Iterable[QueuedRecipient]) -> bool:
        """Whether all of them are still ours."""
        now = to_us(self._clock.now())
        return all(self._until.get(recipient.id, 0) > now for recipient in recipients)
