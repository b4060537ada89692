"""Make a store from a backup, with all of its waiting mail held.

What waited when the backup was made may have been delivered since, so nothing
goes out before a person has looked. The mail is held before the store gets
its name: whenever this dies, no daemon can find it unheld.
"""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from relay.clock import Clock, from_us
from relay.config import Config
from relay.control.context import Progress, nobody_watches
from relay.control.operations.store import AT_SERVER
from relay.control.tally import Tally
from relay.errors import InvalidInput, NotFound, PosthouseError
from relay.events.actor import Actor, acting
from relay.queue import listing, moves
from relay.queue.moves import Selection
from relay.queue.state import Happening, State
from relay.store.backup import restore_backup
from relay.store.database import Database, Transaction
from relay.store.health import Reserve
from relay.store.opening import open_store
from relay.store.sqlite import open_sqlite

REASON = "restored"
BATCH = 500


def restore(
    config: Config, backup: Path, clock: Clock, progress: Progress = nobody_watches, *, replace: bool = False
) -> dict[str, Any]:
    """Blocks until the store is there. `held` counts recipients.

    Raises NotFound without a backup, AlreadyExists without `replace` where a
    store is, StoreOwned while a process uses it, StoreDamaged for a backup
    that is not whole.
    """
    store = config.store_file
    if store is None:
        raise InvalidInput(AT_SERVER)
    if store.parent.resolve() != config.server.data_dir.resolve():
        # The bodies are laid out beside the store, and looked for in the data directory.
        raise PosthouseError(f"{store} is not in {config.server.data_dir}: restore it there, and move it")
    if not backup.is_file():
        raise NotFound(f"no backup {backup}")
    held: list[int] = []

    def prepare(unnamed: Path) -> None:
        progress("holding the mail", 0, 0)
        held.append(asyncio.run(_hold_unnamed(unnamed, clock)))

    progress("reading the backup", 0, 0)
    restored = restore_backup(backup, store, replace=replace, prepare=prepare)
    return {
        "store": str(store),
        "made_at": from_us(restored.made_at),
        "bodies": restored.bodies,
        "held": held[0],
    }


def hold_restored(config: Config, clock: Clock) -> int:
    """Hold what waits in a store that the server's own tools have made again; returns how many. Blocks.

    No node may be running. Dying halfway leaves some held: call it again.
    """
    return asyncio.run(_hold_there(config, clock))


async def _hold_there(config: Config, clock: Clock) -> int:
    data_dir = config.server.data_dir
    db = await open_store(config.store.url, config.store_file, data_dir, clock, reserve=Reserve(0, 0))
    return await _hold_all(db, clock)


async def _hold_unnamed(store: Path, clock: Clock) -> int:
    return await _hold_all(open_sqlite(store, clock, reserve=Reserve(0, 0), health_interval=None), clock)


async def _hold_all(db: Database, clock: Clock) -> int:
    tally = Tally(clock, "queue.held", None, {"reason": REASON})
    try:
        with acting(Actor("operator", "restore")):
            while part := await db.transact(partial(_hold_some, clock, tally), lengthy=True):
                tally.keep(part)
    finally:
        await db.close()
    return tally.total


async def _hold_some(clock: Clock, tally: Tally, tx: Transaction) -> Counter[str]:
    states = [state for state in listing.WAITING if state is not State.HELD]
    found = await listing.batch(tx, Selection(), states, 0, BATCH)
    for recipient in found:
        await moves.move(
            tx, clock, recipient, Happening.HELD_BACK, reason=REASON, data={"reason": REASON, "by": "restore"}
        )
    return await tally.note(tx, found)
