"""What asyncpg raises, in the words of `relay.store.faults`.

Trouble passes, a broken rule is news for the caller, the rest is a bug of ours.
"""

import asyncio
from typing import Final

import asyncpg

from relay.errors import AlreadyExists, StoreUnavailable
from relay.store.faults import ConstraintBroken, Fault, StoreFault

NOT_UNIQUE: Final = "23505"
READ_ONLY: Final = "25006"
# Serialization failure, deadlock: nothing was kept, and the same work may pass when it is run again.
COLLISIONS: Final = frozenset({"40001", "40P01"})
# A wait for a lock, a statement or a transaction that took too long: of one work, not of the store.
_TOO_SLOW = frozenset({"55P03", "57014"})

_FAULTS = {
    "53100": Fault.FULL,
    READ_ONLY: Fault.READ_ONLY,
    "42501": Fault.READ_ONLY,
    "XX001": Fault.DAMAGED,
    "XX002": Fault.DAMAGED,
    "25P03": Fault.UNREACHABLE,  # the server ended a session that stood still within a transaction
    "57P01": Fault.UNREACHABLE,
    "57P02": Fault.UNREACHABLE,
    "57P03": Fault.UNREACHABLE,
    "57P04": Fault.UNREACHABLE,
    "57P05": Fault.UNREACHABLE,
    "3D000": Fault.UNREACHABLE,
}
_FAULT_CLASSES = {
    "08": Fault.UNREACHABLE,
    "28": Fault.UNREACHABLE,
    "53": Fault.BROKEN,  # out of memory, too many connections
    "57": Fault.BROKEN,
    "58": Fault.BROKEN,
    "F0": Fault.BROKEN,
    "XX": Fault.BROKEN,
}


class Collided(StoreUnavailable):
    """Another transaction was in the way; nothing of this one was kept."""


def from_postgres(error: BaseException) -> BaseException:
    """What `error` means to a caller: a StoreFault, AlreadyExists, ConstraintBroken or the bug itself."""
    # Another node changed a table since the statement was planned: it passes when it is planned anew.
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return Collided(str(error))
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    if isinstance(error, asyncpg.DataError):  # an argument that is not of its place's type
        return ConstraintBroken(str(error))
    # The last: the server has said that it ends the session, and has not closed it yet.
    if isinstance(
        error, (OSError, asyncio.TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    ):
        return StoreFault(Fault.UNREACHABLE, str(error) or type(error).__name__)
    return error


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that nothing more is heard of what was asked."""
    return isinstance(error, StoreFault) and error.fault is Fault.UNREACHABLE


def _from_server(error: asyncpg.PostgresError) -> BaseException:
    state: str = error.sqlstate or ""
    if state in COLLISIONS:
        return Collided(f"{error} ({state})")
    if state == NOT_UNIQUE:
        return AlreadyExists(str(error))
    if state in _TOO_SLOW:
        return StoreUnavailable(f"the store was too slow: {error} ({state})")
    fault = _FAULTS.get(state) or _FAULT_CLASSES.get(state[:2])
    if fault is not None:
        return StoreFault(fault, f"{error} ({state})")
    if state[:2] in {"22", "23"}:
        return ConstraintBroken(str(error))
    bug: BaseException = error
    return bug
