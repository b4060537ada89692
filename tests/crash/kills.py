"""When a daemon is killed: after a random number of happenings, or at a named place of a message's way."""

import random
from dataclasses import dataclass

from relay.failpoints import POINTS, VARIABLE

# Which step of the way each place belongs to; K4 and K15 have two, and one more was added.
STEPS = {
    "smtp.mail": "K1",
    "smtp.content": "K2",
    "smtp.dot": "K3",
    "store.body": "K4",
    "store.statements": "K4",
    "smtp.committed": "K5",
    "smtp.replied": "K6",
    "api.committed": "K7",
    "dispatch.claimed": "K8",
    "delivery.connected": "K9",
    "delivery.recipient": "K10",
    "delivery.dot": "K11",
    "delivery.reply": "K12",
    "dispatch.settled": "K13",
    "webhooks.posted": "K14",
    "notices.made": "K15",
    "notices.accepted": "K15",
    "inbound.read": "also",
    "store.checkpoint": "K16",
    "store.migration": "K17",
    "retention.purged": "K18",
}

# At the how manieth time at most; places that are seldom come to, or early in a life, have their own.
_TURNS = {
    "store.body": 4,
    "delivery.connected": 6,
    "notices.made": 3,
    "notices.accepted": 3,
    "store.checkpoint": 2,
    "store.migration": 2,
    "retention.purged": 1,
}
_OFTEN = 25
# A start makes commits of its own.
_FIRST = {"store.statements": 12}
# A purge, which comes first in a life, needs mail that is settled; so does a store whose tables change.
_AFTER_WORK = ("retention.purged", "store.migration")
_SETTLED = 20


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill; without a place, after so many acknowledgements and arrivals."""

    point: str | None
    turn: int

    @property
    def environ(self) -> dict[str, str]:
        return {VARIABLE: f"{self.point}:{self.turn}"} if self.point else {}


def at_random(count: int, rng: random.Random) -> list[Kill]:
    return [Kill(None, rng.randint(1, 60)) for _ in range(count)]


def at(point: str, count: int, rng: random.Random) -> list[Kill]:
    """So many at one place; with others before them, where the place needs what a life leaves behind."""
    first = _FIRST.get(point, 1)
    kills = [Kill(point, first + rng.randrange(_TURNS.get(point, _OFTEN))) for _ in range(count)]
    if point in _AFTER_WORK:
        return [kill for each in kills for kill in (Kill("dispatch.settled", _SETTLED), each)]
    return kills


def at_each(rng: random.Random) -> list[Kill]:
    """One at each place, in an order of chance."""
    points = [point for point in POINTS if point not in (*_AFTER_WORK, "dispatch.settled")]
    rng.shuffle(points)
    kills = [kill for point in points for kill in at(point, 1, rng)]
    return kills + [kill for point in _AFTER_WORK for kill in at(point, 1, rng)]
