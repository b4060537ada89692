"""What the HTTP door may ask of the running station.

The daemon builds one `House` and hands it to `api.app.build_app`; tests build
their own. A room that a route needs becomes a field here.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from api.body import BodyRoom
from api.clamav import Scanner
from api.lines import OpenLines
from api.turns import Turns
from inbound.reading.bench import ReadingBench
from relay.clock import Clock
from relay.config import Config, Network
from relay.events.watch import EventWatch
from relay.station import Station
from relay.store.database import Database
from relay.submission.accept import Acceptor
from relay.submission.booking import Booking
from relay.templates.rendering import Renderer
from relay.tenants.directory import Directory

Exposition = Callable[[], Awaitable[tuple[bytes, str]]]


@dataclass(frozen=True, slots=True)
class House:
    """The rooms behind the door. `exposition` is the metrics as they stand now, and their content type.

    `footer_texts` remembers what footers in HTML say, so that a reader is not asked with each email.
    """

    station: Station
    acceptor: Acceptor
    booking: Booking
    watch: EventWatch
    bench: ReadingBench
    exposition: Exposition
    renderer: Renderer
    lines: OpenLines = field(default_factory=OpenLines)
    body_room: BodyRoom = field(default_factory=BodyRoom)
    turns: Turns = field(default_factory=Turns)
    footer_texts: OrderedDict[str, str] = field(default_factory=OrderedDict)
    scanner: Scanner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scanner", Scanner(self.config.clamav, self.clock))

    @property
    def db(self) -> Database:
        return self.station.db

    @property
    def clock(self) -> Clock:
        return self.station.clock

    @property
    def config(self) -> Config:
        return self.station.config

    @property
    def directory(self) -> Directory:
        return self.station.directory

    @property
    def trouble(self) -> str | None:
        """Why nobody is to be sent here now; None when all is well."""
        return self.station.db.trouble or self.station.standing.left

    @property
    def metrics_networks(self) -> tuple[Network, ...]:
        """Who may read the metrics."""
        return self.station.config.metrics.allow_from
