"""What an operation stands on: an open station, and somebody who is told how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass

from relay.clock import Clock
from relay.station import Station
from relay.store.database import Database
from relay.tenants.tenants import DEFAULT_TENANT

Progress = Callable[[str, int, int], None]


def nobody_watches(what: str, done: int, total: int) -> None:
    """Progress that is told to nobody."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a daemon lends to the operations; without it they ring the station's own bell."""

    wake: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One call of an operation. `has_daemon`: there is a dispatcher that will carry what is queued."""

    station: Station
    hooks: Hooks = Hooks()
    progress: Progress = nobody_watches
    has_daemon: bool = False
    tenant_id: str = DEFAULT_TENANT

    @property
    def clock(self) -> Clock:
        return self.station.clock

    @property
    def db(self) -> Database:
        return self.station.db

    def wake(self) -> None:
        """Let the dispatcher look at the queue now."""
        (self.hooks.wake or self.station.bell.ring)()
