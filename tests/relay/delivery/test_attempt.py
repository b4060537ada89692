"""One attempt against a far server that behaves, and what the wire then shows."""

import asyncio
import random
from ipaddress import ip_address

import pytest

from relay.delivery.attempt import Deliverer
from relay.delivery.outcome import Fate
from relay.resolver import IpAddress, Resolver
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import HEADER, Station, parcel, wire


async def test_a_message_is_delivered_with_its_bytes_as_they_are(station: Station, mx: FarMx) -> None:
    body = b".leading\r\n..two\r\n\r\n.\r\nend\r\n"
    (outcome,) = await station.send(parcel("ann@example.net", content=wire(body)))

    assert outcome.fate is Fate.DELIVERED
    assert (outcome.mx, outcome.ip, outcome.tls) == ("mx.example.net", "127.0.0.1", None)
    (message,) = mx.received
    assert message.content == HEADER + b"\r\n" + body
    assert (message.reverse_path, message.recipients) == ("me@example.com", ["ann@example.net"])
    assert message.helo == "relay.example.com"


async def test_many_attempts_at_once_do_not_meet(station: Station, mx: FarMx) -> None:
    deliverer = Deliverer(station.settings, Resolver([station.dns.nameserver]), station.clock)
    parcels = [parcel(f"user{n}@example.net", content=wire(f"number {n}\r\n".encode())) for n in range(50)]
    made = await asyncio.gather(*(deliverer.attempt(one) for one in parcels))
    for attempt in made:
        assert attempt.outcomes[0].fate is Fate.DELIVERED
        assert attempt.kept is not None
        await attempt.kept.close()
    contents = {message.recipients[0]: message.content.split(b"\r\n")[-2] for message in mx.received}
    assert contents == {f"user{n}@example.net": f"number {n}".encode() for n in range(50)}


async def test_an_exchanger_that_changes_its_mind_is_asked_once_for_an_attempt(
    station: Station, mx: FarMx
) -> None:
    """What was judged is what is dialled, though a hostile nameserver says something else each time."""

    class Turncoat(Resolver):
        asked = 0

        async def addresses(self, host: str) -> tuple[IpAddress, ...]:
            self.asked += 1
            return (ip_address("127.0.0.1" if self.asked == 1 else "127.0.0.9"),)

    resolver = Turncoat([station.dns.nameserver])
    made = await Deliverer(station.settings, resolver, station.clock).attempt(parcel("ann@example.net"))
    assert made.outcomes[0].fate is Fate.DELIVERED
    assert made.outcomes[0].ip == "127.0.0.1"
    assert resolver.asked == 1
    assert made.kept is not None
    await made.kept.close()
    assert len(mx.received) == 1


async def test_a_bug_of_ours_defers_everybody(
    station: Station, mx: FarMx, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(random.Random):
        def shuffle(self, x: object) -> None:
            raise RuntimeError("a bug")

    deliverer = Deliverer(station.settings, Resolver([station.dns.nameserver]), station.clock, Broken())
    made = await deliverer.attempt(parcel("ann@example.net", "ben@example.net"))
    assert [outcome.fate for outcome in made.outcomes] == [Fate.DEFERRED, Fate.DEFERRED]
    assert {outcome.reply.code for outcome in made.outcomes} == {451}
    assert "a bug" in caplog.text
