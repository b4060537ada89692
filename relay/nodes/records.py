"""One row for each node, which it keeps itself; `drain_at` alone is for others. Owns the table `nodes`.

A node that is to drain stays so through restarts, until somebody lets it
resume: whoever took it out of service has not seen it work yet.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from relay.clock import Clock, span_us, to_us
from relay.errors import InvalidInput, NotFound
from relay.store.database import Reader, Row, Transaction

SILENT_AFTER: Final = timedelta(seconds=30)
FORGOTTEN_AFTER: Final = timedelta(days=7)
_COLUMNS: Final = "name, version, roles, process, started_at, seen_at, drain_at, drained_at, stopped_at"


class Status(Enum):
    """How a node is, as far as the store knows."""

    RUNNING = "running"
    DRAINING = "draining"
    DRAINED = "drained"
    SILENT = "silent"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Node:
    """One node. Instants are microseconds; `drain_at` is when it was asked to take no more work."""

    name: str
    version: str
    roles: tuple[str, ...]
    process: int
    started_at: int
    seen_at: int
    drain_at: int | None = None
    drained_at: int | None = None
    stopped_at: int | None = None

    def status(self, now: int) -> Status:
        """A node that ended without saying so is silent."""
        if self.stopped_at is not None:
            return Status.STOPPED
        if now - self.seen_at > span_us(SILENT_AFTER):
            return Status.SILENT
        if self.drain_at is None:
            return Status.RUNNING
        return Status.DRAINING if self.drained_at is None else Status.DRAINED


async def enter(
    tx: Transaction, clock: Clock, name: str, *, version: str, roles: Collection[str], process: int
) -> None:
    """A node has started. Forgets those that have been gone for long."""
    now = to_us(clock.now())
    await tx.execute(
        f"insert into nodes ({_COLUMNS}) values ($1, $2, $3, $4, $5, $5, null, null, null)"  # noqa: S608
        " on conflict (name) do update set version = excluded.version, roles = excluded.roles,"
        " process = excluded.process, started_at = excluded.started_at, seen_at = excluded.seen_at,"
        " drained_at = null, stopped_at = null",
        name,
        version,
        ",".join(roles),
        process,
        now,
    )
    await tx.execute("delete from nodes where seen_at < $1", now - span_us(FORGOTTEN_AFTER))


async def is_to_drain(reader: Reader, name: str) -> bool:
    """Whether somebody has asked for it."""
    row = await reader.fetch_one("select drain_at from nodes where name = $1", name)
    return row is not None and row["drain_at"] is not None


async def beat(tx: Transaction, clock: Clock, name: str, *, is_drained: bool) -> bool:
    """The node lives; False when its row is gone, and it must `enter` anew."""
    now = to_us(clock.now())
    return bool(
        await tx.execute(
            "update nodes set seen_at = $1, drained_at = case when $2 = 1 then coalesce(drained_at, $1) end"
            " where name = $3",
            now,
            int(is_drained),
            name,
        )
    )


async def leave(tx: Transaction, clock: Clock, name: str) -> None:
    """The node has ended in order; it holds nothing any more."""
    await tx.execute(
        "update nodes set stopped_at = $1, seen_at = $1 where name = $2", to_us(clock.now()), name
    )


async def set_drain(tx: Transaction, clock: Clock, name: str, *, wanted: bool) -> None:
    """Ask the node called `name` to take no more work, or to take it again."""
    await tx.execute(
        "update nodes set drain_at = case when $1 = 1 then coalesce(drain_at, $2) end,"
        " drained_at = case when $1 = 1 then drained_at end where name = $3",
        int(wanted),
        to_us(clock.now()),
        name,
    )


async def list_all(reader: Reader) -> list[Node]:
    """Those that have not been forgotten, by name."""
    return [_node(row) for row in await reader.fetch_all(f"select {_COLUMNS} from nodes order by name")]  # noqa: S608


async def delivering(reader: Reader, clock: Clock) -> list[str]:
    """The names of those that take mail to its destinations now, as far as the store knows."""
    rows = await reader.fetch_all(
        "select name from nodes where stopped_at is null and drain_at is null and seen_at >= $1"
        " and roles like '%delivery%' order by name",
        to_us(clock.now()) - span_us(SILENT_AFTER),
    )
    return [row["name"] for row in rows]


async def find(reader: Reader, wanted: str) -> Node:
    """The node of that name, or the only one whose name begins so. Raises NotFound and InvalidInput."""
    everybody = await list_all(reader)
    found = [node for node in everybody if node.name == wanted] or [
        node for node in everybody if node.name.startswith(wanted)
    ]
    if not found:
        raise NotFound(f"no node {wanted}; `posthouse cluster status` lists them")
    if len(found) > 1:
        raise InvalidInput(f"{wanted} may be {', '.join(node.name for node in found)}")
    return found[0]


def _node(row: Row) -> Node:
    return Node(
        name=row["name"],
        version=row["version"],
        roles=tuple(filter(None, row["roles"].split(","))),
        process=row["process"],
        started_at=row["started_at"],
        seen_at=row["seen_at"],
        drain_at=row["drain_at"],
        drained_at=row["drained_at"],
        stopped_at=row["stopped_at"],
    )
