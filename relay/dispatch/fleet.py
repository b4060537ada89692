"""All lanes of this process: one for each way out, made when it is needed, and the connections they share."""

from collections.abc import Callable, Collection, Iterable, Iterator

from relay.config import DeliveryConfig
from relay.dispatch.jobs import Heading
from relay.dispatch.lanes import FIRST_WIDTH, Carry, Lane, Slots
from relay.dispatch.pace import Pace
from relay.queue.rests import TRIALS

MANY_LANES = 1000


class Fleet:
    """Knows which lane mail takes. `freed` is called for each worker that leaves."""

    def __init__(self, delivery: DeliveryConfig, carry: Carry, freed: Callable[[], None]) -> None:
        self._delivery = delivery
        self._carry = carry
        self._freed = freed
        self._lanes: dict[Heading, Lane] = {}
        self._suspects: dict[str, Lane] = {}
        self._has_one_alone = False
        self.outgoing = Slots(delivery.max_connections, freed)

    def __iter__(self) -> Iterator[Lane]:
        yield from self._lanes.values()
        yield from self._suspects.values()

    @property
    def in_flight(self) -> int:
        """Jobs that are being carried or stand in a lane."""
        return sum(lane.in_flight for lane in self)

    @property
    def suspected(self) -> Collection[str]:
        """The destinations to which a suspect is under way."""
        self._suspects = {name: lane for name, lane in self._suspects.items() if lane.in_flight}
        return self._suspects.keys()

    @property
    def may_try_suspect(self) -> bool:
        """Whether one more may be tried, if it is for another destination; a smarthost is one for all."""
        return not self.suspected or not (self._has_one_alone or self._delivery.smarthost)

    def heading(self, destination: str, *, is_local: bool) -> Heading:
        """A smarthost is one far side, whatever the destinations behind it; trials never go there."""
        if self._delivery.smarthost and not is_local and destination != TRIALS:
            return Heading(None)
        return Heading(destination, is_local)

    def lane(self, heading: Heading) -> Lane:
        """The lane of that heading, a new one if there was none."""
        lane = self._lanes.get(heading)
        if lane is None:
            self._forget_quiet_lanes()
            width, pace = self._limits(heading)
            # Mail that stays in the house dials nobody.
            slots = Slots(width, self._freed) if heading.is_local else self.outgoing
            first = min(FIRST_WIDTH, width)
            lane = Lane(heading, self._carry, max_width=width, slots=slots, width=first, pace=pace)
            self._lanes[heading] = lane
        return lane

    def lane_for_suspect(self, heading: Heading, *, alone: bool = False) -> Lane:
        """A lane for one recipient, and with `alone` for the only suspect of all that is tried.

        It dials beside the destination's own lane, and within its limits.
        """
        self._has_one_alone = alone
        beside = self.lane(self.heading(heading.destination or "", is_local=heading.is_local))
        lane = Lane(
            heading,
            self._carry,
            max_width=1,
            width=1,
            slots=self.outgoing,
            is_for_suspects=True,
            beside=beside,
            pace=beside.pace,
        )
        self._suspects[heading.destination or ""] = lane
        return lane

    def _limits(self, heading: Heading) -> tuple[int, Pace | None]:
        """How many connections at once, and how often a message."""
        usual = self._delivery.max_connections_per_destination
        wanted = self._delivery.destinations.get(heading.destination or "")
        if wanted is None or heading.is_local:
            return usual, None
        pace = Pace(60 / wanted.messages_per_minute) if wanted.messages_per_minute else None
        return wanted.connections or usual, pace

    def nobody_waits_but_for(self, headings: Iterable[Heading]) -> None:
        """Remember that the queue holds nothing that is due for any other."""
        waited_for = set(headings)
        for heading, lane in self._lanes.items():
            if heading not in waited_for:
                lane.has_more = False

    def _forget_quiet_lanes(self) -> None:
        if len(self._lanes) >= MANY_LANES:
            self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.is_quiet}
