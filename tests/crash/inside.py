"""What stands in the house: the store of a daemon that is dead, and the mailboxes of one that lives."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from relay.store.owner import expect_no_log
from tests.crash.ledger import Ledger, Whose
from tests.crash.load import INBOX
from tests.fakes.api_client import ApiClient, api_client
from tests.fakes.daemon import Daemon

TOLD = ("message.accepted", "message.received")


@contextmanager
def _copy_of(daemon: Daemon) -> Iterator[sqlite3.Connection]:
    """The store as it lies there; a copy, so that looking changes nothing."""
    store = daemon.config.store_file
    assert store is not None
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / store.name
        for suffix in ("", "-wal"):
            if (file := store.with_name(store.name + suffix)).exists():
                shutil.copyfile(file, copy.with_name(copy.name + suffix))
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


def settled(daemon: Daemon) -> set[Whose]:
    """The deliveries whose outcome is committed."""
    with _copy_of(daemon) as store:
        return set(
            store.execute(
                "select m.subject, r.address from recipients r join messages m on m.id = r.message_id"
                " where r.state in ('delivered', 'bounced', 'expired') and m.direction = 'out'"
            )
        )


def owed(daemon: Daemon) -> set[str]:
    """The events of which an endpoint was to be told."""
    with _reading(daemon) as store:
        rows = store.execute("select id from events where kind in (?, ?)", TOLD)
        return {event_id for (event_id,) in rows}


@dataclass(frozen=True, slots=True)
class Places:
    """How many emails of a batch were taken, and how many have no result."""

    id: str = ""
    taken: int = 0
    pending: int = 0


def batches(daemon: Daemon) -> Mapping[int, Places]:
    """The one batch without a key (0) and the one with it (1), of a daemon that may be running."""
    with _reading(daemon) as store:
        rows = store.execute(
            "select b.has_key, b.id, count(i.message_id), sum(i.status is null) from batches b"
            " join batch_items i on i.batch_id = b.id group by b.id"
        )
        return defaultdict(Places, {has_key: Places(*counted) for has_key, *counted in rows})


def states(daemon: Daemon) -> Counter[str]:
    """How many recipients are in which state, of a daemon that may be running."""
    with _reading(daemon) as store:
        return Counter(state for (state,) in store.execute("select state from recipients"))


def unread(daemon: Daemon) -> int:
    """How much received mail is not a letter yet."""
    with _reading(daemon) as store:
        (count,) = store.execute("select count(*) from arrivals").fetchone()
        return int(count)


@contextmanager
def _reading(daemon: Daemon) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{daemon.config.store_file}?mode=ro", uri=True)) as store:
        yield store


def step_back(daemon: Daemon) -> None:
    """Make its store the one of an earlier version, which lacks the last steps of the schema."""
    store = daemon.config.store_file
    assert store is not None
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("drop table if exists drafts")
        connection.execute("delete from _sqlite_migrations where name = 'm0005_drafts'")
    # Closing it wrote its log back.
    expect_no_log(store)


async def look_into_inbox(daemon: Daemon, key: str, ledger: Ledger) -> None:
    """Enter every letter of our own mailbox into the books, as its raw message says."""
    async with api_client(daemon, key) as api:
        ids = [each["id"] for each in await _all(api, f"/v1/inboxes/{INBOX}/messages")]
        for start in range(0, len(ids), 20):
            raws = [
                api.http.get(f"/v1/inboxes/{INBOX}/messages/{each}/raw") for each in ids[start : start + 20]
            ]
            for raw in await asyncio.gather(*raws):
                ledger.found_inside(_octets(raw), INBOX)


async def _all(api: ApiClient, path: str) -> list[Any]:
    found: list[Any] = []
    query = {"limit": "200"}
    while True:
        page = await api.get(path, **query)
        found += page["data"]
        if not page["has_more"]:
            return found
        query["cursor"] = page["next_cursor"]


def _octets(raw: httpx2.Response) -> bytes:
    assert raw.is_success, raw.text
    return raw.content
