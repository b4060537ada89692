"""How much one address may do in a minute at the doors that the world may knock at.

What is used comes back evenly: a minute after all of it was used, all of it
is there again. IPv6 counts by /64, as everywhere.
"""

from dataclasses import dataclass
from enum import Enum, auto

from relay.clock import Clock
from relay.smtp_server.session import IpAddress, neighbourhood

_MINUTE = 60.0


class Deed(Enum):
    """What is counted."""

    CONNECTION = auto()
    MESSAGE = auto()
    OCTET = auto()
    REFUSED_RECIPIENT = auto()


@dataclass(slots=True)
class _Use:
    """How much was used at an instant of the monotonic clock; it may be more than the limit."""

    amount: float
    at: float


class Rates:
    """What addresses have used of their minute; one for all listeners that count together.

    Kept in memory for at most `capacity` addresses and deeds: who has been
    quiet longest is forgotten first.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        connections: int,
        messages: int,
        octets: int,
        refused_recipients: int,
        capacity: int = 100_000,
    ) -> None:
        self._clock = clock
        self._limits = {
            Deed.CONNECTION: connections,
            Deed.MESSAGE: messages,
            Deed.OCTET: octets,
            Deed.REFUSED_RECIPIENT: refused_recipients,
        }
        self._capacity = capacity
        self._used: dict[tuple[str, Deed], _Use] = {}

    def __len__(self) -> int:
        return len(self._used)

    def take(self, address: IpAddress, deed: Deed) -> bool:
        """Count one more, unless that would be beyond the limit."""
        if self._amount(address, deed) + 1 > self._limits[deed]:
            return False
        self.spend(address, deed, 1)
        return True

    def spend(self, address: IpAddress, deed: Deed, amount: int) -> None:
        """Count what was done already, even beyond the limit: then the wait is longer."""
        use = _Use(self._amount(address, deed) + amount, self._clock.monotonic())
        key = neighbourhood(address), deed
        self._used.pop(key, None)
        self._used[key] = use
        if len(self._used) > self._capacity:
            del self._used[next(iter(self._used))]

    def is_spent(self, address: IpAddress, deed: Deed) -> bool:
        """Whether all of it is used."""
        return self._amount(address, deed) >= self._limits[deed]

    def _amount(self, address: IpAddress, deed: Deed) -> float:
        use = self._used.get((neighbourhood(address), deed))
        if use is None:
            return 0.0
        returned = (self._clock.monotonic() - use.at) * self._limits[deed] / _MINUTE
        return max(use.amount - returned, 0.0)
