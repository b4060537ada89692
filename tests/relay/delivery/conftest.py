"""What the delivery tests share: a nameserver, a far exchanger, and a short way to try a delivery."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from relay.address import NULL_PATH, parse_address
from relay.delivery.attempt import Attempt, Deliverer
from relay.delivery.outcome import Outcome
from relay.delivery.parcel import Parcel, ParcelRecipient, Wire
from relay.delivery.settings import DeliverySettings, Limits, Timeouts
from relay.resolver import Resolver
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, mx

__all__ = ["dns", "mx"]

PATIENT = Timeouts(
    connect=10, banner=10, hello=10, handshake=10, mail=10, recipient=10, data=10, block=10,
    final_dot=10, reset=10, quit=10,
)  # fmt: skip
HEADER = b"Subject: hello\r\nFrom: me@example.com\r\n"


@dataclass(frozen=True)
class Body:
    """A body in memory, handed out in pieces of any size."""

    octets: bytes
    piece: int = 65536

    @property
    def size(self) -> int:
        return len(self.octets)

    def chunks(self, size: int = 65536) -> list[bytes]:
        step = min(size, self.piece)
        return [self.octets[start : start + step] for start in range(0, len(self.octets), step)]


def wire(body: bytes = b"Hello\r\n", *, is_8bit: bool = False, piece: int = 65536) -> Wire:
    return Wire(HEADER, Body(body, piece), is_8bit)


async def _no_seven_bit() -> Wire:
    raise AssertionError("nobody should ask for the 7-bit copy")


def parcel(
    *to: str,
    sender: str = "me@example.com",
    content: Wire | None = None,
    seven_bit: Callable[[], Awaitable[Wire]] = _no_seven_bit,
    **details: Any,
) -> Parcel:
    """A small message; recipients are numbered from 1."""
    recipients = tuple(
        ParcelRecipient(number, parse_address(text))
        for number, text in enumerate(to or ("ann@example.net",), 1)
    )
    made = Parcel(
        "msg_test", "example.net", parse_address(sender) if sender else NULL_PATH, recipients,
        content or wire(), seven_bit,
    )  # fmt: skip
    return replace(made, **details)


@dataclass
class Station:
    """Our side: settings that a test may change, and `send`."""

    dns: FakeDns
    clock: FakeClock
    settings: DeliverySettings
    attempts: list[Attempt] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)

    def is_in_a_hurry(self, seconds: float = 0.2) -> None:
        """Wait for each reply so long at most: for tests in which a server is silent.

        Where it answers later on, a whole second: a busy machine may take that for its honest replies.
        """
        replies = ("banner", "hello", "mail", "recipient", "data", "block", "final_dot", "reset", "quit")
        self.set(timeouts=replace(PATIENT, connect=1, handshake=1, **dict.fromkeys(replies, seconds)))

    def deliverer(self) -> Deliverer:
        return Deliverer(self.settings, Resolver([self.dns.nameserver]), self.clock)

    async def attempt(self, what: Parcel, kept: Any = None) -> Attempt:
        made = await self.deliverer().attempt(what, kept)
        assert [outcome.recipient_id for outcome in made.outcomes] == [one.id for one in what.recipients]
        self.attempts.append(made)
        return made

    async def send(self, what: Parcel | None = None) -> list[Outcome]:
        """One attempt with a connection of its own."""
        made = await self.attempt(what or parcel())
        if made.kept is not None:
            await made.kept.close()
        return made.outcomes


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def station(dns: FakeDns, mx: FarMx, clock: FakeClock) -> Station:
    """example.net is served by `mx`."""
    dns.mx("example.net", (10, "mx.example.net"))
    dns.address("mx.example.net", "127.0.0.1")
    settings = DeliverySettings(
        "relay.example.com", mx.port, allow_private_networks=True, timeouts=PATIENT, limits=Limits()
    )
    return Station(dns, clock, settings)


@pytest.fixture(params=["together", "one by one"])
def way(request: pytest.FixtureRequest, mx: FarMx) -> str:
    """Whether `mx` offers PIPELINING: for promises that hold either way."""
    if request.param == "one by one":
        mx.hides("PIPELINING")
    return str(request.param)
