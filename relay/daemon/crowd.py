"""Who may hold HTTP connections: each address so many, and where all are taken whoever waits longest goes.

Counted when a connection is accepted, before anything was asked: whoever
opens connections and says nothing is met here. Connections on which a
request is worked on are never closed for others.
"""

import sys
from typing import Protocol

from api.problems import Problem
from relay.config import Network
from relay.daemon.unread import whole_answer
from relay.smtp_server import ConnectionCounter, is_within
from relay.smtp_server.session import IpAddress, unmapped

CONNECTIONS = 1000

_TOO_MANY = Problem(
    429, "rate_limited", "Too many connections from your address.", headers={"Retry-After": "5"}
)
_FULL = Problem(503, "not_accepting", "All connections are taken.", headers={"Retry-After": "5"})


class Connection(Protocol):
    """One HTTP connection, as far as it matters here."""

    def make_room(self) -> None:
        """Close, since others wait."""


class Crowd:
    """The connections of all HTTP listeners together. `uncounted` are proxies: they speak for many."""

    def __init__(
        self, per_address: int, *, in_all: int = CONNECTIONS, uncounted: tuple[Network, ...] = ()
    ) -> None:
        self._counter = ConnectionCounter(per_address, sys.maxsize)
        self._in_all = in_all
        self._uncounted = uncounted
        self._open: dict[Connection, IpAddress | None] = {}
        self._waiting: dict[Connection, None] = {}  # the longest first

    def enter(self, connection: Connection, host: str) -> bytes | None:
        """One more; or the answer of a connection that may not be. Each that entered must `leave`."""
        address = self._counted(host)
        if address is not None and not self._counter.enter(address):
            return whole_answer(_TOO_MANY)
        if len(self._open) >= self._in_all and not self._make_room():
            if address is not None:
                self._counter.leave(address)
            return whole_answer(_FULL)
        self._open[connection] = address
        self.waits(connection)
        return None

    def leave(self, connection: Connection) -> None:
        """It is closed; says nothing of one that never entered, or was sent away."""
        self._waiting.pop(connection, None)
        address = self._open.pop(connection, None)
        if address is not None:
            self._counter.leave(address)

    def waits(self, connection: Connection) -> None:
        """Nothing of ours is under way on it; it keeps its place among those that wait."""
        if connection in self._open:
            self._waiting.setdefault(connection)

    def works(self, connection: Connection) -> None:
        """A request is being answered on it."""
        self._waiting.pop(connection, None)

    def _make_room(self) -> bool:
        """Send away whoever has waited longest, if anybody only waits."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        self.leave(longest)
        longest.make_room()
        return True

    def _counted(self, host: str) -> IpAddress | None:
        """The address that is counted; None for a UNIX socket's client and for proxies."""
        try:
            address = unmapped(host)
        except ValueError:
            return None
        return None if is_within(address, self._uncounted) else address
