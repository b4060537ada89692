"""Two nodes share one store: each message goes out once, whoever dies; no cap is overshot."""

import asyncio
import smtplib
from datetime import timedelta
from pathlib import Path

import pytest

from relay.clock import SystemClock, to_us
from relay.config import build_config
from relay.control.checks import check_store
from relay.control.context import Context
from relay.control.operations.store import BackUp, backup
from relay.control.reach import perform_here
from relay.control.registry import Nothing
from relay.control.restore import hold_restored, restore
from relay.delivery.outcome import Fate, Outcome, Phase, Scope
from relay.dispatch.loop import LONGEST_SLEEP
from relay.errors import InvalidInput
from relay.queue import claims
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.replies import SmtpReply
from relay.store.database import Transaction
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import FarMx
from tests.fakes.object_storage import ObjectStorage
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.letters import post, written
from tests.nodes.conftest import MakeNode, OpenNode
from tests.relay.daemon.client import sends


def subjects(mx: FarMx) -> list[str]:
    """Of what has arrived, as often as it did."""
    lines = (line for message in mx.received for line in message.content.decode().split("\r\n"))
    return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]


async def test_a_node_relays_a_message(make_node: MakeNode, mx: FarMx) -> None:
    node: Daemon = await make_node()
    await node.start()
    await sends(node)
    (message,) = await mx.messages_arrive()
    assert b"Subject: Invoice 7" in message.content
    assert b"DKIM-Signature:" in message.content
    assert await node.stop() == 0


async def test_two_nodes_deliver_each_message_once(make_node: MakeNode, mx: FarMx) -> None:
    nodes = [await make_node(), await make_node()]
    await asyncio.gather(*(node.start() for node in nodes))
    wanted = [f"Invoice {number}" for number in range(40)]
    await asyncio.gather(*(sends(nodes[place % 2], subject) for place, subject in enumerate(wanted)))
    await mx.messages_arrive(len(wanted))
    assert [await node.stop() for node in nodes] == [0, 0]
    assert sorted(subjects(mx)) == sorted(wanted)


async def test_what_one_takes_another_hears_of(make_node: MakeNode, mx: FarMx) -> None:
    """Long before it would look at the queue by itself."""
    takes, carries = await make_node(), await make_node()
    await takes.start("--roles", "submission")
    await carries.start("--roles", "delivery")
    async with asyncio.timeout(LONGEST_SLEEP.total_seconds() / 2):
        for number in range(3):
            await sends(takes, f"Invoice {number}")
            await mx.messages_arrive(number + 1)


async def test_a_killed_nodes_mail_is_delivered_by_another_after_the_lease(
    make_node: MakeNode, open_node: OpenNode, mx: FarMx
) -> None:
    killed = await make_node()
    mx.stalls(".")
    await killed.start()
    wanted = [f"Invoice {number}" for number in range(8)]
    await asyncio.gather(*(sends(killed, subject) for subject in wanted))
    await mx.messages_arrive()
    await killed.kill()
    mx.behaves()

    # Its leases still hold: nobody touches what may be on the wire.
    early = await open_node(FakeClock(SystemClock().now()))
    await early.way_out.sweeper.keep_leases()
    leased = [row for row in await queue.waiting(early.station.db) if row.state is State.LEASED]
    assert leased

    mx.received.clear()
    later = await open_node(FakeClock(SystemClock().now() + timedelta(hours=1)))
    await later.way_out.sweeper.keep_leases()
    await later.run_until_idle()
    assert await queue.waiting(later.station.db) == []
    assert sorted(subjects(mx)) == sorted(wanted)


async def test_a_node_that_slept_past_its_lease_changes_nothing(open_node: OpenNode, mx: FarMx) -> None:
    sleeper, other = await two_with_a_mailbox(open_node)
    sent = await sleeper.submit()
    (asleep,) = await claim_all(sleeper)
    sleeper.clock.advance(hours=1)
    await other.way_out.sweeper.keep_leases()
    (taken,) = await claim_all(other, suspects=True)

    refused = SmtpReply(550, "5.1.1", "no such user")
    outcome = Outcome(asleep.id, Fate.BOUNCED, Scope.RECIPIENT, refused, phase=Phase.RECIPIENT)
    await sleeper.way_out.carrier.settler.settle([(asleep, outcome)])
    (row,) = await sent.recipients()
    assert (row.state, row.epoch, row.lease_owner) == (State.LEASED, taken.epoch, other.station.node)
    assert await sent.events("message.bounced") == []


async def test_a_cap_is_not_overshot_by_two_nodes(open_node: OpenNode) -> None:
    nodes = await two_with_a_mailbox(open_node, daily_cap=20)

    async def try_to_send(place: int) -> bool:
        message = letter(f"app@{OURS}", f"ann@{FAR}", subject=f"Invoice {place}")
        try:
            await nodes[place % 2].submit(message=message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
            return False
        return True

    sent = await asyncio.gather(*(try_to_send(place) for place in range(32)))
    assert sum(sent) == 20
    assert [await node.used_today() for node in nodes] == [20, 20]
    assert await nodes[0].count("messages") == 20


async def test_a_large_body_is_read_where_it_did_not_come_in(open_node: OpenNode, mx: FarMx) -> None:
    taker, carrier = await two_with_a_mailbox(open_node)
    octets = b"0123456789abcde\r\n" * 200_000
    await taker.submit(message=letter(f"app@{OURS}", f"ann@{FAR}", body="") + octets)
    await carrier.run_until_idle()
    (message,) = await mx.messages_arrive()
    assert message.content.partition(b"\r\n\r\n")[2] == octets


async def test_a_large_body_in_object_storage_is_read_by_every_node(
    open_node: OpenNode, mx: FarMx, object_storage: ObjectStorage
) -> None:
    settings = object_storage.settings()
    taker, carrier = await open_node(**settings), await open_node(**settings)
    await taker.domain(OURS)
    await taker.mailbox(f"app@{OURS}")
    octets = b"0123456789abcde\r\n" * 200_000
    await taker.submit(message=letter(f"app@{OURS}", f"ann@{FAR}", body="") + octets)
    assert await taker.bodies() == set()
    await carrier.run_until_idle()
    (message,) = await mx.messages_arrive()
    assert message.content.partition(b"\r\n\r\n")[2] == octets
    assert (await check_store(Context(carrier.station))).problems == []


async def test_received_mail_is_read_by_one_node_until_that_stops(
    open_node: OpenNode,
) -> None:
    reads, waits = await two_with_a_mailbox(open_node)
    await reads.way_in.reader.step()
    await post(waits, written())
    assert await waits.way_in.reader.step() == 0
    assert await reads.way_in.reader.step() == 1
    await post(reads, written(subject="One more"))
    await reads.way_in.reader.stop()
    assert await waits.way_in.reader.step() == 1
    assert await waits.count("letters") == 2


async def test_a_reader_that_died_is_followed_when_its_turn_ends(open_node: OpenNode) -> None:
    died, other = await two_with_a_mailbox(open_node)
    await died.way_in.reader.step()
    await post(other, written())
    assert await other.way_in.reader.step() == 0
    other.clock.advance(seconds=61)
    assert await other.way_in.reader.step() == 1


async def claim_all(house: House, *, suspects: bool = False) -> list[QueuedRecipient]:
    """What is due, leased to that node; nothing is begun with it."""
    now, owner = to_us(house.clock.now()), house.station.node

    async def work(tx: Transaction) -> list[QueuedRecipient]:
        if suspects:
            found = await claims.claim_suspect(tx, owner=owner, now=now, until=now + 10**9)
            return [found] if found else []
        (site,) = (await claims.survey(tx)).sites
        return await claims.claim_due(tx, site, limit=10, owner=owner, now=now, until=now + 10**9)

    return await house.station.db.transact(work, side_by_side=True)


async def two_with_a_mailbox(open_node: OpenNode, **wanted: int) -> tuple[House, House]:
    """Two nodes; either knows the mailbox's password."""
    first, second = await open_node(), await open_node()
    await first.domain(OURS)
    await first.mailbox(f"app@{OURS}", **wanted)
    second.passwords.update(first.passwords)
    return first, second


async def test_a_restored_database_is_held_before_anything_goes_out(
    open_node: OpenNode, mx: FarMx, postgres_url: str, tmp_path: Path
) -> None:
    first, _ = await two_with_a_mailbox(open_node)
    sent = [await first.submit() for _ in range(3)]
    await claim_all(first)
    config = build_config({"store.url": postgres_url, "store.min_free": "0MiB"}, base=tmp_path)
    assert await asyncio.to_thread(hold_restored, config, first.clock) == 3
    assert [await each.state() for each in sent] == [State.HELD] * 3
    await first.run_until_idle()
    assert mx.received == []
    report = await check_store(Context(first.station))
    assert (report.problems, report.notes) == ([], [])


async def test_backup_and_restore_say_whose_work_it_is(
    open_node: OpenNode, postgres_url: str, tmp_path: Path
) -> None:
    node = await open_node()
    with pytest.raises(InvalidInput, match="pg_dump"):
        await backup(Context(node.station), BackUp(file=str(tmp_path / "backup.tar")))
    config = build_config({"store.url": postgres_url}, base=tmp_path)
    with pytest.raises(InvalidInput, match="pg_dump"):
        restore(config, tmp_path / "backup.tar", node.clock)
    stats = await perform_here(node.station.config, "stats", Nothing(), clock=node.clock)
    assert stats["store"]["path"] == "PostgreSQL"
    assert stats["store"]["size"] > 0


async def test_verify_names_a_large_body_that_lacks_a_part(open_node: OpenNode) -> None:
    node, _ = await two_with_a_mailbox(open_node)
    octets = b"0123456789abcde\r\n" * 100_000
    sent = await node.submit(message=letter(f"app@{OURS}", f"ann@{FAR}", body="") + octets)
    assert (await check_store(Context(node.station))).problems == []
    await node.station.db.transact(lambda tx: tx.execute("delete from body_chunks where place = 1"))
    (problem,) = (await check_store(Context(node.station))).problems
    assert problem.startswith(f"message {sent.id}: its body has 1048576 octets instead of ")
