"""The store that `store.url` names, whichever engine that is, and the shelf for its large bodies."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from relay.clock import Clock
from relay.config import StoreConfig
from relay.errors import InvalidInput
from relay.store.bodies import BodyShelf
from relay.store.database import Database
from relay.store.group import CommitObserver
from relay.store.health import Reserve
from relay.store.shared_bodies import SharedShelf
from relay.store.sqlite import open_sqlite

if TYPE_CHECKING:
    from relay.store.postgres.filling import Filling

_EXTRA = "a PostgreSQL server is named, and asyncpg is not installed: install posthouse[postgres]"
_OBJECTS_EXTRA = "store.bodies names a bucket, and obstore is not installed: install posthouse[s3]"


async def open_store(
    url: str,
    file: Path | None,
    data_dir: Path,
    clock: Clock,
    *,
    reserve: Reserve,
    observer: CommitObserver | None = None,
    name: str = "posthouse",
) -> Database:
    """The store at `url`; `file` is the one that a SQLite address means. `name` is ours at the server.

    Raises what `open_sqlite` and `open_postgres` do, and InvalidInput without asyncpg.
    """
    if file is not None:
        return open_sqlite(file, clock, reserve=reserve, observer=observer)
    with _extra():
        from relay.store.postgres.engine import open_postgres
    return await open_postgres(url, clock, name=name, directory=data_dir, reserve=reserve, observer=observer)


@asynccontextmanager
async def open_empty(url: str, clock: Clock) -> AsyncIterator["Filling"]:
    """A PostgreSQL database into which a store is to be moved; see `postgres.filling`."""
    with _extra():
        from relay.store.postgres.filling import open_filling
    async with open_filling(url, clock) as filling:
        yield filling


@contextmanager
def _extra(library: str = "asyncpg", why: str = _EXTRA) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise InvalidInput(why) from error


def shelf_for(db: Database, store: StoreConfig, data_dir: Path, clock: Clock, house: bytes) -> BodyShelf:
    """Files where one node has the store, and parts in the store where many may; or objects, if configured.

    `house` tells this store's objects from another's in the same bucket.
    Raises InvalidInput without obstore.
    """
    beneath = (
        SharedShelf(data_dir, clock, db)
        if db.engine == "postgresql"
        else BodyShelf(data_dir, clock, trouble=db.note_trouble)
    )
    if not store.bodies:
        return beneath
    with _extra("obstore", _OBJECTS_EXTRA):
        from relay.store.object_bodies import ObjectShelf
        from relay.store.objects import Objects
    objects = Objects(store, house.hex())
    return ObjectShelf(data_dir, clock, objects, beneath, trouble=db.note_trouble)
