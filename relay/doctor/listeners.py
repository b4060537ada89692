"""Is somebody behind each door that the configuration names? Knocked at from this machine."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from relay.config import Config, InheritedListener, Listener
from relay.doctor.finding import Finding, Grade
from relay.doctor.port25 import Exchanger, knock

KNOCK_LIMIT = timedelta(seconds=3)
# What our socket units listen on, by FileDescriptorName.
UNIT_PORTS: Mapping[str, int] = {"smtp": 25, "submission": 587, "submissions": 465, "http": 8025}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to knock, not where to listen


async def check_listeners(config: Config) -> list[Finding]:
    """One finding for each listener; SMTP doors must greet, the others must accept."""
    doors = [
        *((listener, "submission", True) for listener in config.submission.listen),
        *((listener, "submissions", False) for listener in config.submission.listen_tls),
        *((listener, "inbound", True) for listener in config.inbound.listen),
        *((listener, "http", False) for listener in config.api.listen),
    ]
    return await asyncio.gather(*(check_listener(*door) for door in doors))


async def check_listener(listener: Listener | InheritedListener, name: str, greets: bool) -> Finding:
    """Unknown for a port that the system chooses, and for a socket of somebody else's unit."""
    what, expected = f"door {name}", f"somebody at {listener}"
    place = where_to_knock(listener)
    if place is None:
        return Finding(what, Grade.UNKNOWN, expected, "the port is not known from here")
    found = await knock(place, None, KNOCK_LIMIT, wants_greeting=greets)
    if found.answered:
        return Finding(what, Grade.OK, expected, found.said)
    advice = "start it: systemctl start posthouse.target; journalctl -u posthouse tells why not"
    return Finding(what, Grade.PROBLEM, expected, found.said, advice)


def where_to_knock(listener: Listener | InheritedListener) -> Exchanger | None:
    if isinstance(listener, InheritedListener):
        port = UNIT_PORTS.get(listener.name)
        return None if port is None else Exchanger("127.0.0.1", port)
    if not listener.port:
        return None
    return Exchanger(_ANY.get(listener.host, listener.host), listener.port)


def listens_beyond_loopback(listeners: Sequence[Listener | InheritedListener]) -> bool:
    """Whether any of them can be reached from another machine."""
    near = ("127.", "::1", "localhost")
    return any(isinstance(each, InheritedListener) or not each.host.startswith(near) for each in listeners)
