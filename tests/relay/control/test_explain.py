"""explain, after a real attempt at a far server: every reply stands in it, and what comes next."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from inbound.bounces import ReportedFailure, record_bounce
from relay.address import parse_address
from relay.cli import explain as screen
from relay.config import build_config
from relay.delivery.parcel import BodyBytes
from relay.dispatch.assembly import WayOut, build_way_out
from relay.message.envelope import Envelope
from relay.message.refusals import Reason
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.station import Station, open_station
from relay.store.database import Transaction
from tests.fakes.clock import FakeClock
from tests.fakes.far_mx import FarMx
from tests.fakes.fresh_store import put_store
from tests.relay.control.desk import Desk


class NobodyHere:
    """No mail is for this house."""

    async def deliver(self, envelope: Envelope, header: bytes, body: BodyBytes) -> list[SmtpReply]:
        raise NotImplementedError


@pytest.fixture
async def mx() -> AsyncIterator[FarMx]:
    server = await FarMx.start()
    yield server
    await server.stop()


@pytest.fixture
async def station(data_dir: Path, clock: FakeClock, mx: FarMx) -> AsyncIterator[Station]:
    """All mail that goes out goes to `mx`."""
    values = {
        "server.data_dir": str(data_dir),
        "server.hostname": "mail.example.test",
        "store.min_free": "0B",
        "delivery.smarthost": f"127.0.0.1:{mx.port}",
    }
    put_store(data_dir / "posthouse.db")
    async with open_station(build_config(values, base=data_dir), clock) as station:
        yield station
        station.directory.close()


@pytest.fixture
def way_out(station: Station) -> WayOut:
    return build_way_out(station, NobodyHere())


async def test_the_whole_dialogue_and_the_next_try_are_told(
    desk: Desk, way_out: WayOut, mx: FarMx, clock: FakeClock
) -> None:
    mx.answers("bob@far.test", "451 4.7.1 greylisted", then="250 2.1.5 ok")
    message = await desk.sends("bob@far.test")
    await way_out.dispatcher.run_until_idle()

    deferred = await desk.does("message.explain", message=message)

    [event] = [event for event in deferred["events"] if event["kind"] == "message.deferred"]
    assert event["data"]["reply"] == "451 4.7.1 greylisted"
    assert any("RCPT TO:<bob@far.test>" in line for line in event["data"]["dialogue"])
    [recipient] = deferred["message"]["recipients"]
    assert (recipient["status"], recipient["attempts"], recipient["mx"]) == ("deferred", 1, "127.0.0.1")
    assert recipient["next_attempt_at"] == event["data"]["next_attempt_at"]

    await desk.does("queue.retry", message=message)
    await way_out.dispatcher.run_until_idle()
    assert await desk.statuses(message) == {"bob@far.test": "delivered"}
    assert (await desk.does("store.verify"))["problems"] == []
    assert len(mx.received) == 1


async def test_people_read_it_in_order(
    desk: Desk, way_out: WayOut, mx: FarMx, capsys: pytest.CaptureFixture[str]
) -> None:
    mx.answers("bob@far.test", "550 5.1.1 no such user")
    message = await desk.sends("bob@far.test")
    await way_out.dispatcher.run_until_idle()

    told = _shown(await desk.does("message.explain", message=message), capsys)

    order = [
        "from the command line",
        "allowance: 1 of 10",
        "RCPT TO:<bob@far.test>",
        "550 5.1.1 no such user",
    ]
    places = [told.index(part) for part in order[:3]]
    assert places == sorted(places)
    assert order[3] in told
    assert "no such mailbox" in told


async def test_a_late_bounce_says_who_told_of_it(
    desk: Desk, way_out: WayOut, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    message_id = await desk.sends("bob@far.test")
    await way_out.dispatcher.run_until_idle()
    failure = ReportedFailure(
        permanent=True,
        final=(parse_address("bob@far.test"),),
        diagnostic="550 5.2.2 mailbox full",
        remote_mta="mx.far.test",
        reason=Reason.MAILBOX_FULL,
    )

    async def work(tx: Transaction) -> None:
        message = await spool.find(tx, message_id)
        assert message is not None
        await record_bounce(tx, clock, message, [failure])

    await desk.station.db.transact(work)

    told = _shown(await desk.does("message.explain", message=message_id), capsys)
    assert "bob@far.test: 550 5.2.2 mailbox full" in told
    assert "a delivery report (RFC 3464) said so after it was delivered, by mx.far.test" in told
    assert "mailbox full\n" in told


async def test_what_others_say_cannot_steer_the_terminal(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    message = await desk.sends("bob@far.test")
    explained = await desk.does("message.explain", message=message)
    poisoned = json.loads(json.dumps(explained).replace("bob@far.test", "\\u001b]0;x\\u0007"))

    assert "\x1b]" not in _shown(poisoned, capsys)


def _shown(explained: Any, capsys: pytest.CaptureFixture[str]) -> str:
    screen.show(explained)
    return capsys.readouterr().out
