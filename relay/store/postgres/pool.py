"""Connections to the server: some that write, some that can only read, set up so that none waits for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from relay.errors import StoreUnavailable
from relay.store.postgres.faults import from_postgres, is_lost

CONNECT_TIMEOUT = 10.0
# How long a work waits for a connection while all of them are in use.
TURN_TIMEOUT = 20.0
# After the server's own time limits; it is for a server that does not answer at all.
SILENCE_TIMEOUT = 60.0
CLOSE_TIMEOUT = 5.0
STATEMENTS_KEPT = 512


@dataclass(frozen=True, slots=True)
class Manners:
    """How we behave towards the server. `connections` are those of one process, readers among them."""

    connections: int = 10
    statement: timedelta = timedelta(seconds=30)
    lock: timedelta = timedelta(seconds=10)
    # A node that stands still within a transaction keeps rows locked, and dead rows from being cleared.
    idle_in_transaction: timedelta = timedelta(seconds=10)

    @property
    def readers(self) -> int:
        return max(1, self.connections // 3)

    @property
    def writers(self) -> int:
        return max(1, self.connections - self.readers)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Without the statement that cleans a connection at each return: ours leave nothing to clean."""

    def get_reset_query(self) -> str:
        return ""


class Pool:
    """A number of connections, made when they are needed and made again when they were lost."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        """A connection for the length of the block; raises StoreUnavailable."""
        try:
            connection = await self._pool.acquire(timeout=TURN_TIMEOUT)
        except TimeoutError as error:
            raise StoreUnavailable("all connections to the store are in use") from error
        except Exception as error:
            raise from_postgres(error) from error
        try:
            yield connection
        except BaseException as error:
            if is_lost(from_postgres(error)):
                _let_go(connection)
            raise
        finally:
            await self._give_back(connection)

    async def close(self) -> None:
        """Let go of all connections; those that are lent out are waited for, for a while."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()

    async def _give_back(self, connection: Any) -> None:
        # One that was lost on the way is replaced by the pool.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._pool.release(connection)


def _let_go(connection: Any) -> None:
    """Nobody gets it again, whether or not it has been seen to be closed."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def open_pool(url: str, name: str, manners: Manners, *, read_only: bool) -> Pool:
    """A pool with one connection made, so that a wrong address is known at once. Raises StoreFault."""
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=manners.readers if read_only else manners.writers,
            connection_class=_Connection,
            timeout=CONNECT_TIMEOUT,
            command_timeout=SILENCE_TIMEOUT,
            statement_cache_size=STATEMENTS_KEPT,
            max_cached_statement_lifetime=0,
            server_settings=_settings(name, manners, read_only=read_only),
        )
    except Exception as error:
        raise from_postgres(error) from error
    return Pool(pool)


async def connect(url: str, name: str, manners: Manners) -> Any:
    """One connection of its own, for what is done at the start. Raises StoreFault."""
    try:
        return await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT, server_settings=_settings(name, manners, read_only=False)
        )
    except Exception as error:
        raise from_postgres(error) from error


def _settings(name: str, manners: Manners, *, read_only: bool) -> dict[str, str]:
    """What each session is told at its start; `name` is seen in pg_stat_activity."""
    settings = {
        "application_name": name.encode("ascii", "replace").decode()[:63],
        "statement_timeout": _milliseconds(manners.statement),
        "lock_timeout": _milliseconds(manners.lock),
        "idle_in_transaction_session_timeout": _milliseconds(manners.idle_in_transaction),
        "default_transaction_read_only": "on" if read_only else "off",
        "jit": "off",  # compiling costs more than any statement of ours
    }
    # 250 means that the mail is on this server's disk, whatever its defaults say.
    return settings if read_only else {**settings, "synchronous_commit": "on"}


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))
