"""A store that is damaged, lost or of another version is named and kept: never replaced, never made worse."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import sqlite_utils

from tests.fakes.daemon import ROOT, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.faults.doors import TAKEN, started
from tests.relay.daemon.client import gets

PAGE = 4096


async def test_a_damaged_store_is_named_and_kept(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, tmp_path: Path
) -> None:
    daemon, doors = await started(make_daemon, dns, mx, tmp_path / "data")
    assert await doors.knock() == TAKEN
    await daemon.manager.hears("STATUS=0 recipients waiting")
    assert await daemon.stop() == 0
    store = daemon.config.store_file
    assert store is not None
    whole = store.read_bytes()

    await daemon.start()
    assert (await doors.knock())["inbound"] == "250"
    damage(store)
    said = await doors.refuse()
    newest = set(doors.acknowledged[3:])
    assert {reply[0] for reply in (said["submission"], said["inbound"])} == {"4"}, said
    assert said["api"].startswith("503 "), said
    assert (await gets(daemon, "/health"))[0] == 200
    status, told = await gets(daemon, "/ready")
    assert (status, "the store is damaged" in told) == (503, True)
    await daemon.kill()

    await refused(daemon, r"posthouse.db: database disk image is malformed; restore a backup")
    for file in store.parent.glob("posthouse.db-*"):
        file.unlink()
    store.write_bytes(whole)
    await refused(daemon, "its log posthouse.db-wal is missing")
    store.with_name("posthouse.db.open").unlink()
    with closing(sqlite_utils.Database(store)) as later:
        row = {"migration_set": "posthouse", "name": "m9999_future", "applied_at": ""}
        later["_sqlite_migrations"].insert(row)  # type: ignore[union-attr]
    await refused(daemon, "the store is at step m9999_future")
    store.write_bytes(whole)
    await daemon.start()
    assert await doors.knock() == TAKEN
    assert doors.lost() <= newest  # which stood in the log alone


def damage(store: Path) -> None:
    """Somebody overwrites all but the first page."""
    with store.open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\xa5" * (store.stat().st_size - PAGE))


async def refused(daemon: Daemon, told: str) -> None:
    """It ends with one line that says why, and has changed nothing."""
    before = contents(daemon)
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "relay", "serve", "--config", str(daemon.config_file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert told in line
    assert contents(daemon) == before


def contents(daemon: Daemon) -> dict[str, bytes]:
    """The store and its log, unless that is empty; not what SQLite makes of them in shared memory."""
    found = {path.name: path.read_bytes() for path in daemon.config.server.data_dir.glob("posthouse.db*")}
    return {name: found[name] for name in ("posthouse.db", "posthouse.db-wal") if found.get(name)}
