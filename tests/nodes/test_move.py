"""`posthouse store move` carries everything to PostgreSQL, or leaves everything where it was."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from inbound.letters import listing
from inbound.letters.listing import Wanted
from relay.config import load_config
from relay.control.moving import move
from relay.control.operations.queue import Chosen
from relay.errors import AlreadyExists, InvalidInput, NotFound, PosthouseError
from relay.queue.state import State
from relay.store.faults import StoreDamaged
from relay.store.marks import MoveUnfinished, StoreMoved, unfinished
from relay.store.moving import source
from relay.store.postgres.engine import open_postgres
from relay.store.postgres.filling import open_filling
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import ROOT, keep_daemons, run_program, write_settings
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.postgres import PostgresServer
from tests.flows.house import FAR, House
from tests.nodes.furnished import LARGE, Deployment, states, wait_for_reader
from tests.nodes.test_two_nodes import subjects
from tests.relay.daemon.client import sends


@pytest.fixture
def empty_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database in which nothing is."""
    url = postgres_server.empty_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
async def deployment(data_dir: Path, clock: FakeClock, dns: FakeDns, mx: FarMx) -> Deployment:
    made = Deployment(data_dir, clock, dns, mx)
    await made.furnish()
    return made


async def sql(url: str, statement: str, *args: Any) -> Any:
    """The first value of an answer of the server."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, *args)
    finally:
        await connection.close()


async def finds(house: House, words: str) -> list[str]:
    found = await listing.find(house.station.db, Wanted(tenant_id=DEFAULT_TENANT, words=words))
    return [letter.subject for letter in found]


async def test_everything_arrives_and_goes_on(deployment: Deployment, empty_url: str, mx: FarMx) -> None:
    told: list[tuple[str, int, int]] = []

    done = await move(deployment.config(), empty_url, deployment.clock, lambda *step: told.append(step))

    assert done["differences"] == []
    assert all(each["rows"] == each["rows_moved"] for each in done["tables"])
    assert all(each["digest"] == each["digest_moved"] for each in done["tables"] if "digest" in each)
    assert done["bodies"] == 2
    assert told[-1][1] == told[-1][2] > 0
    async with deployment.opened(**{"store.url": empty_url}) as house:
        assert house.station.db.engine == "postgresql"
        (row,) = await house.station.db.fetch_all("select max(seq) as seq from events")
        assert await states(house) == {
            "delivered": State.DELIVERED,
            "deferred": State.DEFERRED,
            "scheduled": State.SCHEDULED,
            "held": State.HELD,
            "leased": State.QUEUED,
            "queued": State.QUEUED,
        }
        assert await finds(house, "kase") == ["Umbrella"]
        assert await finds(house, '"something else"') == ["Hat"]
        mx.behaves()
        deployment.clock.advance(hours=6)
        await house.run_until_idle()
        assert sorted(subjects(mx)) == ["deferred", "leased", "queued", "scheduled"]
        (queued,) = [each for each in mx.received if b"Subject: queued" in each.content]
        assert queued.content.endswith(LARGE)
        rows = await house.station.db.fetch_all(
            "select min(seq) as seq from events where seq > $1", row["seq"]
        )
        assert rows[0]["seq"] == row["seq"] + 1


async def test_posts_that_were_leased_are_due_again(deployment: Deployment, empty_url: str) -> None:
    async with deployment.opened() as house:
        rows = await house.station.db.fetch_all(
            "select state, count(*) as n from webhook_deliveries group by 1"
        )
        owed = sum(row["n"] for row in rows)
        assert {row["state"] for row in rows} == {"due", "leased"}
    await move(deployment.config(), empty_url, deployment.clock)
    assert await sql(empty_url, "select count(*) from webhook_deliveries where state = 'due'") == owed


async def test_the_next_event_has_a_number_that_none_had(deployment: Deployment, empty_url: str) -> None:
    async with deployment.opened() as house:
        (row,) = await house.station.db.fetch_all("select max(seq) as seq from events")
        await house.station.db.transact(
            lambda tx: tx.execute("delete from events where seq > $1", row["seq"] - 5)
        )
    await move(deployment.config(), empty_url, deployment.clock)
    assert await sql(empty_url, "select nextval('events_in_order')") == row["seq"] + 1


async def test_afterwards_the_old_store_is_closed(deployment: Deployment, empty_url: str) -> None:
    await move(deployment.config(), empty_url, deployment.clock)
    with pytest.raises(StoreMoved, match=r"store\.url"):
        async with deployment.opened():
            pass
    with pytest.raises(StoreMoved, match="already"):
        await move(deployment.config(), empty_url, deployment.clock)


async def test_a_store_in_use_is_not_moved(deployment: Deployment, empty_url: str) -> None:
    async with deployment.opened():
        with pytest.raises(PosthouseError, match=r"in use by process .*stop it first"):
            await move(deployment.config(), empty_url, deployment.clock)
    assert await sql(empty_url, "select to_regclass('schema_steps') is null")


async def test_a_database_that_is_not_empty_is_left_alone(
    deployment: Deployment, empty_url: str, postgres_url: str
) -> None:
    await sql(empty_url, "create table notes (text text)")
    with pytest.raises(AlreadyExists, match="somebody else: notes"):
        await move(deployment.config(), empty_url, deployment.clock)
    async with deployment.opened(**{"store.url": postgres_url}):
        pass
    with pytest.raises(AlreadyExists, match="secrets has rows"):
        await move(deployment.config(), postgres_url, deployment.clock)
    async with deployment.opened() as house:
        assert await house.count("messages") == 8


async def test_a_database_is_filled_by_one_at_a_time(deployment: Deployment, empty_url: str) -> None:
    async with open_filling(empty_url, deployment.clock):
        with pytest.raises(AlreadyExists, match="under way"):
            await move(deployment.config(), empty_url, deployment.clock)
    assert (await move(deployment.config(), empty_url, deployment.clock))["differences"] == []


async def test_another_stores_unfinished_move_is_left_alone(deployment: Deployment, empty_url: str) -> None:
    async with open_filling(empty_url, deployment.clock) as filling:
        await filling.begin("another")
    with pytest.raises(AlreadyExists, match="another one"):
        await move(deployment.config(), empty_url, deployment.clock)


@pytest.mark.parametrize(
    ("settings", "url", "error"),
    [
        ({}, "mysql://ann@db/mail", InvalidInput),
        ({"store.url": "postgresql://ann@db/mail"}, "postgresql://ann@db/other", InvalidInput),
        ({"store.url": "sqlite:///nothing.db"}, "postgresql://ann@db/mail", NotFound),
    ],
)
async def test_what_cannot_be_moved_is_said(
    data_dir: Path, clock: FakeClock, dns: FakeDns, mx: FarMx, settings: dict[str, str], url: str, error: Any
) -> None:
    with pytest.raises(error):
        await move(Deployment(data_dir, clock, dns, mx).config(**settings), url, clock)


async def test_a_missing_body_is_named_and_nothing_is_closed(deployment: Deployment, empty_url: str) -> None:
    body, *_ = (deployment.data_dir / "bodies").glob("*/*")
    octets = body.read_bytes()
    body.unlink()
    with pytest.raises(StoreDamaged, match=body.name):
        await move(deployment.config(), empty_url, deployment.clock)
    body.write_bytes(octets)
    assert (await move(deployment.config(), empty_url, deployment.clock))["differences"] == []


async def test_what_did_not_arrive_as_it_was_is_named(deployment: Deployment, postgres_url: str) -> None:
    for statement in (
        "create function spoil() returns trigger language plpgsql as $$ begin"
        " if new.state = 'held' then new.reason := 'approval'; end if;"
        " if new.state = 'deferred' then return null; end if; return new; end $$",
        "create trigger spoil before insert on recipients for each row execute function spoil()",
    ):
        await sql(postgres_url, statement)

    done = await move(deployment.config(), postgres_url, deployment.clock)

    assert len(done["differences"]) == 2
    assert any("other reason" in each for each in done["differences"])
    assert any("did not arrive" in each for each in done["differences"])
    (table,) = [each for each in done["tables"] if each["table"] == "recipients"]
    assert (table["rows"], table["rows_moved"], table["same"]) == (6, 5, False)
    async with deployment.opened() as house:  # it goes on as it was
        assert await house.count("recipients") == 6
    with pytest.raises(MoveUnfinished):
        await open_postgres(postgres_url, deployment.clock, directory=deployment.data_dir)


async def test_a_nul_becomes_a_question_mark(deployment: Deployment, empty_url: str) -> None:
    async with deployment.opened() as house:
        await house.station.db.transact(
            lambda tx: tx.execute(
                "update messages set subject = 'a' || char(0) || 'b' where subject = 'held'"
            )
        )
    done = await move(deployment.config(), empty_url, deployment.clock)
    assert (done["texts_mended"], done["differences"]) == (1, [])
    assert await sql(empty_url, "select count(*) from messages where subject = 'a?b'") == 1


async def test_killed_in_the_middle_it_begins_anew(deployment: Deployment, empty_url: str) -> None:
    body, *_ = (deployment.data_dir / "bodies").glob("*/*")
    octets = body.read_bytes()
    body.unlink()
    os.mkfifo(body)
    killed = await _typed(deployment, empty_url)
    writer = await wait_for_reader(body)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    os.close(writer)
    body.unlink()
    body.write_bytes(octets)

    with pytest.raises(MoveUnfinished, match="again"):
        await open_postgres(empty_url, deployment.clock, directory=deployment.data_dir)
    async with deployment.opened() as house:  # nothing is lost by going on with the old one
        sent = await house.submit()
    again = await _typed(deployment, empty_url)
    output, errors = await again.communicate()
    assert (again.returncode, errors) == (0, b"")
    assert json.loads(output)["differences"] == []
    assert await sql(empty_url, "select count(*) from messages where id = $1", sent.id) == 1


async def test_killed_between_closing_one_and_opening_the_other_it_comes_to_its_end(
    deployment: Deployment, empty_url: str
) -> None:
    await move(deployment.config(), empty_url, deployment.clock)
    mark = unfinished(source.identity(deployment.data_dir / "posthouse.db"))
    await sql(empty_url, "insert into schema_steps (name, applied_at) values ($1, 0)", mark)

    done = await move(deployment.config(), empty_url, deployment.clock)

    assert done["differences"] == []
    with pytest.raises(StoreMoved):
        async with deployment.opened():
            pass
    async with deployment.opened(**{"store.url": empty_url}) as house:
        assert await house.count("messages") == 8


async def test_a_daemon_goes_on_at_the_server_where_it_stopped(
    tmp_path: Path, empty_url: str, dns: FakeDns, mx: FarMx
) -> None:
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    settings = {"dns.nameservers": [dns.nameserver], "delivery.port": mx.port}
    async with keep_daemons(tmp_path) as make:
        daemon = await make(settings)
        mx.answers("RCPT", "450 4.2.0 not now")
        await daemon.start()
        await sends(daemon)
        await daemon.happens("message.deferred")
        assert await daemon.stop() == 0

        move_it = ("-m", "relay", "store", "move", "--config", daemon.config_file, "--to", empty_url)
        printed = await run_program(sys.executable, *move_it, environ={"PYTHONPATH": str(ROOT)})
        assert "each compared" in printed
        write_settings(daemon.config_file, {**settings, "store.url": empty_url})
        daemon.config = load_config(daemon.config_file).config
        mx.behaves()
        await daemon.start()
        await daemon.do("queue.retry", Chosen(destination=FAR))
        await mx.messages_arrive()
        await sends(daemon, "Invoice 8")
        await mx.messages_arrive(2)
        assert await daemon.stop() == 0
    assert sorted(subjects(mx)) == ["Invoice 7", "Invoice 8"]


async def _typed(deployment: Deployment, url: str) -> asyncio.subprocess.Process:
    """The command as a process of its own."""
    file = deployment.data_dir / "config.toml"
    file.write_text(
        f'[server]\nhostname = "mail.ours.test"\ndata_dir = "{deployment.data_dir}"\n'
        '[store]\nmin_free = "0B"\n'
    )
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "store", "move", "--config", str(file), "--to", url, "--json"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
