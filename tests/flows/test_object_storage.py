"""Large bodies in S3-compatible storage: there before the 250, read from there, never lost with it."""

import smtplib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.control.checks import check_store
from relay.control.context import Context
from relay.queue.state import State
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.object_storage import ObjectStorage
from tests.flows.house import FAR, OURS, House, Sent, configuration, letter, open_house

OCTETS = b"0123456789abcde\r\n" * 20_000
LARGE = letter(f"app@{OURS}", f"ann@{FAR}", body="") + OCTETS

Reopen = Callable[..., Awaitable[House]]


@pytest.fixture
async def reopen(
    object_storage: ObjectStorage, data_dir: Path, clock: FakeClock, dns: FakeDns, mx: FarMx
) -> AsyncIterator[Reopen]:
    """A house whose large bodies stand in the storage; asked again, the same one with other settings."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    settings = object_storage.settings()
    opened = AsyncExitStack()
    passwords: dict[str, str] = {}

    async def open_again(**other: Any) -> House:
        await opened.aclose()
        house = await open_house(
            opened, configuration(data_dir, dns, mx, {**settings, **other}), clock, dns, mx
        )
        if not passwords:
            await house.domain(OURS)
            await house.mailbox(f"app@{OURS}")
            passwords.update(house.passwords)
        house.passwords.update(passwords)
        return house

    yield open_again
    await opened.aclose()


@pytest.fixture
def nowhere() -> dict[str, str]:
    """The settings of a storage at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return {"store.bodies_endpoint": f"http://127.0.0.1:{port}"}


def forget_copies(house: House) -> None:
    copies = house.station.config.server.data_dir / "object-copies"
    for copy in list(copies.glob("*/*")):
        copy.unlink()


async def test_a_large_body_is_kept_there_and_delivered(reopen: Reopen, mx: FarMx) -> None:
    house = await reopen()
    sent = await house.submit(message=LARGE)
    assert list((await house.station.shelf.sizes_elsewhere()).values()) == [len(OCTETS)]
    assert await house.bodies() == set()
    forget_copies(house)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (message,) = mx.received
    assert message.content.partition(b"\r\n\r\n")[2] == OCTETS

    house.clock.advance(days=91)
    await house.way_out.sweeper.purge()
    assert await house.station.shelf.sizes_elsewhere() == {}


async def test_what_cannot_be_kept_is_not_taken_and_small_mail_goes_on(
    reopen: Reopen, nowhere: dict[str, str], mx: FarMx
) -> None:
    house = await reopen(**nowhere)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        await house.submit(message=LARGE)
    assert refused.value.smtp_code == 451
    assert await house.count("messages") == 0
    assert await house.used_today() == 0
    assert house.leftovers() == []
    small = await house.submit()
    await house.run_until_idle()
    assert await small.state() is State.DELIVERED

    house = await reopen()
    await house.submit(message=LARGE)
    await house.run_until_idle()
    assert len(mx.received) == 2


async def test_mail_waits_for_a_storage_that_is_away(
    reopen: Reopen, nowhere: dict[str, str], mx: FarMx
) -> None:
    house = await reopen()
    sent = await house.submit(message=LARGE)
    forget_copies(house)
    for away in (nowhere, {"store.bodies": ""}):
        house = await reopen(**away)
        house.clock.advance(hours=1)
        await house.way_out.dispatcher.run_until_idle()
        (recipient,) = await Sent(house, sent.id).recipients()
        assert recipient.state is State.DEFERRED
        assert recipient.last_reply is not None
        assert recipient.last_reply.startswith("451 4.3.0")
    assert mx.received == []

    house = await reopen()
    house.clock.advance(timedelta(hours=1))
    await house.run_until_idle()
    (message,) = mx.received
    assert message.content.partition(b"\r\n\r\n")[2] == OCTETS


async def test_verify_names_a_body_that_is_not_there(reopen: Reopen, nowhere: dict[str, str]) -> None:
    house = await reopen()
    sent = await house.submit(message=LARGE)
    assert (await check_store(Context(house.station))).problems == []
    (name,) = await house.station.shelf.sizes_elsewhere()
    await house.station.shelf.drop(name)
    (problem,) = (await check_store(Context(house.station))).problems
    assert problem == f"message {sent.id}: its object {name} is missing"

    house = await reopen(**nowhere)
    (problem,) = (await check_store(Context(house.station))).problems
    assert problem.startswith("1 bodies in object storage could not be looked at")
