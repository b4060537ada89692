"""Delivery in a process of its own: the same octets, and what its death, or ours, leaves behind."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.address import parse_address
from relay.config import Config
from relay.delivery.agent import AgentLost, Delivery, DeliveryFailed, KeptConnection, LocalAgent
from relay.delivery.consignment import Consignment, SigningOrder
from relay.delivery.outcome import Fate
from relay.delivery.parcel import ParcelRecipient
from relay.delivery.processes.pool import DeliveryProcesses, setup_for
from relay.message.canonical import RelaxedBodyHash
from relay.message.content import Body
from relay.signing.keys import KeyRing
from relay.signing.signer import LIFETIME, Signer
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import HEADER, Station

DOMAIN = "example.com"
AT = datetime(2026, 3, 1, tzinfo=UTC)
BODY = b"Gr\xc3\xbc\xc3\x9fe\r\n.\r\n"


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    ring.generate(DOMAIN, AT)
    return ring


@pytest.fixture
async def processes(station: Station, keys: KeyRing, tmp_path: Path) -> AsyncIterator[DeliveryProcesses]:
    config = Config()
    config = replace_sections(
        config, dns={"nameservers": (station.dns.nameserver,)}, dkim={"key_dir": tmp_path / "keys"}
    )
    made = DeliveryProcesses(setup_for(config, station.settings, LIFETIME), 1)
    yield made
    await made.close()
    assert made.pids == []


def replace_sections(config: Config, **sections: dict[str, Any]) -> Config:
    changed = {
        name: msgspec.structs.replace(getattr(config, name), **keys) for name, keys in sections.items()
    }
    return msgspec.structs.replace(config, **changed)


def consignment(body: Body | None = None, *, selectors: tuple[str, ...] = (), **details: Any) -> Consignment:
    body = body or Body(data=BODY, file=None, size=len(BODY))
    body_hash = RelaxedBodyHash()
    body_hash.update(body.read())
    made = Consignment(
        message_id="msg_test",
        destination="example.net",
        reverse_path=parse_address(f"me@{DOMAIN}"),
        recipients=(ParcelRecipient(7, parse_address("ann@example.net"), notify="NEVER"),),
        header=HEADER,
        body=body,
        is_8bit=True,
        signing=SigningOrder(DOMAIN, selectors, AT, body_hash.digest()),
    )
    return replace(made, **details)


@pytest.fixture
def signed(keys: KeyRing) -> Consignment:
    return consignment(selectors=tuple(keys.selectors(DOMAIN)))


async def leave(kept: KeptConnection | None, mx: FarMx) -> None:
    assert kept is not None
    await kept.close()
    await mx.everybody_leaves()


async def test_it_sends_what_this_process_would_send(
    processes: DeliveryProcesses, station: Station, keys: KeyRing, mx: FarMx, signed: Consignment
) -> None:
    signer = Signer(keys)
    here: Delivery = await LocalAgent(signer, station.deliverer()).deliver(signed)
    there = await processes.deliver(signed)
    signer.close()

    assert [outcome.fate for outcome in there.outcomes] == [Fate.DELIVERED]
    assert there.outcomes == here.outcomes
    first, second = mx.received
    assert first.content.count(b"DKIM-Signature:") == 2
    assert (first.wire, first.parameters, first.recipients) == (
        second.wire,
        second.parameters,
        second.recipients,
    )
    assert here.kept is not None
    await here.kept.close()
    await leave(there.kept, mx)


async def test_a_kept_connection_is_gone_on_with_and_left(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment
) -> None:
    first = await processes.deliver(signed)
    second = await processes.deliver(signed, first.kept)
    assert (len(mx.received), mx.sessions) == (2, 1)
    await leave(second.kept, mx)
    assert mx.says("QUIT") == ["QUIT"]


async def test_a_body_may_lie_in_a_file_and_be_converted(
    processes: DeliveryProcesses, mx: FarMx, keys: KeyRing, tmp_path: Path
) -> None:
    mx.hides("8BITMIME")
    file = tmp_path / "body"
    file.write_bytes(BODY)
    header = HEADER + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    body = Body(data=None, file=file, size=len(BODY))
    selectors = tuple(keys.selectors(DOMAIN))
    await processes.deliver(
        consignment(body, selectors=selectors, header=header + b"Content-Transfer-Encoding: 8bit\r\n")
    )
    (received,) = mx.received
    assert received.content.isascii()
    assert received.content.count(b"DKIM-Signature:") == 2


async def test_when_it_dies_nobody_knows_what_became_of_the_attempt(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment, caplog: pytest.LogCaptureFixture
) -> None:
    kept = (await processes.deliver(signed)).kept
    mx.stalls(".")
    under_way = asyncio.create_task(processes.deliver(signed))
    await mx.hears("DATA", 2)
    (dead,) = processes.pids
    os.kill(dead, signal.SIGKILL)
    with pytest.raises(AgentLost):
        await under_way

    mx.behaves()
    delivery = await processes.deliver(signed, kept)
    assert [outcome.fate for outcome in delivery.outcomes] == [Fate.DELIVERED]
    assert processes.pids != [dead]
    await processes.close()
    assert f"ended with status {-signal.SIGKILL}" in caplog.text


async def test_an_attempt_that_is_broken_off_leaves_the_far_side(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment
) -> None:
    gate = mx.stalls("DATA")
    under_way = asyncio.create_task(processes.deliver(signed))
    await mx.hears("DATA")
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    gate.set()
    await mx.everybody_leaves()

    mx.behaves()
    assert (await processes.deliver(signed)).outcomes[0].fate is Fate.DELIVERED


async def test_a_key_that_is_missing_fails_this_delivery_alone(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment
) -> None:
    with pytest.raises(DeliveryFailed, match="NoSigningKey"):
        await processes.deliver(consignment(selectors=("gone",)))
    assert (await processes.deliver(signed)).outcomes[0].fate is Fate.DELIVERED


async def test_many_at_once_share_the_processes(
    station: Station, mx: FarMx, signed: Consignment, processes: DeliveryProcesses
) -> None:
    recipients = [replace(signed.recipients[0], id=number) for number in range(40)]
    deliveries = await asyncio.gather(
        *(processes.deliver(replace(signed, recipients=(recipient,))) for recipient in recipients)
    )
    assert [delivery.outcomes[0].recipient_id for delivery in deliveries] == list(range(40))
    assert len(mx.received) == 40
    assert len(processes.pids) == 1


async def test_signals_to_the_whole_group_are_not_for_it(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment
) -> None:
    kept = (await processes.deliver(signed)).kept
    (pid,) = processes.pids
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    await processes.deliver(signed, kept)
    assert processes.pids == [pid]
    assert mx.sessions == 1


async def test_it_says_farewell_when_the_daemon_ends(
    processes: DeliveryProcesses, mx: FarMx, signed: Consignment
) -> None:
    await processes.deliver(signed)
    await processes.close()
    await mx.everybody_leaves()
    assert mx.says("QUIT") == ["QUIT"]


async def test_one_that_cannot_be_started_is_a_fault_of_ours_and_is_tried_again(
    processes: DeliveryProcesses, signed: Consignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("/bin/false", "/nowhere/at/all"):
        with monkeypatch.context() as patched:
            patched.setattr("sys.executable", program)
            with pytest.raises(DeliveryFailed, match=r"before it was ready|could be started"):
                await processes.deliver(signed)
    assert (await processes.deliver(signed)).outcomes[0].fate is Fate.DELIVERED


async def test_it_logs_as_the_daemon_does(
    processes: DeliveryProcesses, signed: Consignment, capfd: pytest.CaptureFixture[str]
) -> None:
    await processes.deliver(signed)
    processes.log_as("json", "error")
    with pytest.raises(DeliveryFailed):
        await processes.deliver(consignment(selectors=("gone",)))
    await processes.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "msg_test"
