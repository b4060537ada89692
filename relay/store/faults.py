"""Tell a store that is in trouble apart from a statement that is wrong.

Trouble passes and is answered with "try again later"; a wrong statement is a
bug of ours, and a broken constraint is news for the caller.
"""

import errno
import sqlite3
from collections.abc import Sequence
from enum import Enum

from relay.errors import AlreadyExists, PosthouseError, StoreUnavailable
from relay.replies import TEMPORARY_FAULT, SmtpReply

STORAGE_FULL = SmtpReply(452, "4.3.1", "Insufficient system storage, please try again later")


class Fault(Enum):
    """What is the matter, as far as it decides what to do about it."""

    FULL = "full"
    LOCKED = "locked by another process"
    READ_ONLY = "read-only"
    DAMAGED = "damaged"
    BROKEN = "failing"
    UNREACHABLE = "out of reach"


class StoreFault(StoreUnavailable):
    """The engine said that it cannot read or write now."""

    def __init__(self, fault: Fault, why: str) -> None:
        super().__init__(
            f"the store is {fault.value}: {why}", STORAGE_FULL if fault is Fault.FULL else TEMPORARY_FAULT
        )
        self.fault = fault
        self.why = why


class StoreOwned(PosthouseError):
    """Another process has the store open; the text says which."""


class StoreDamaged(PosthouseError):
    """The files are not what a store left behind. They have not been touched."""


class SchemaTooNew(PosthouseError):
    """A later version wrote this store; this one would not understand it."""


class ConstraintBroken(PosthouseError):
    """A row contradicts a rule of its table other than uniqueness."""


class TransactionFailed(PosthouseError):
    """A statement of this transaction failed before; nothing more can be done in it."""


class WorkSuspended(PosthouseError):
    """A transaction's work awaited something other than its transaction."""


_FAULTS = {
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_BUSY: Fault.LOCKED,
    sqlite3.SQLITE_LOCKED: Fault.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Fault.LOCKED,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_PERM: Fault.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
    sqlite3.SQLITE_IOERR: Fault.BROKEN,
    sqlite3.SQLITE_CANTOPEN: Fault.BROKEN,
    sqlite3.SQLITE_NOMEM: Fault.BROKEN,
}
_NOT_UNIQUE = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}


def from_sqlite(error: sqlite3.Error) -> Exception:
    """What `error` means to a caller: a StoreFault, AlreadyExists, ConstraintBroken or the bug itself."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    if code in _NOT_UNIQUE:
        return AlreadyExists(str(error))
    # The low byte is the class of an extended result code.
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintBroken(str(error))
    fault = _FAULTS.get(primary)
    return StoreFault(fault, f"{error} ({error.sqlite_errorname})") if fault else error


def from_os(error: OSError) -> StoreFault:
    """What a failed file operation means: full, read-only, or failing."""
    if error.errno in _FULL_ERRNOS:
        return StoreFault(Fault.FULL, str(error))
    fault = Fault.READ_ONLY if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM} else Fault.BROKEN
    return StoreFault(fault, str(error))


def refuse_newer(applied: Sequence[str], known: Sequence[str]) -> None:
    """Raise SchemaTooNew for a store that has been through a step that this version does not know."""
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise SchemaTooNew(
            f"the store is at step {unknown[-1]}, this version knows steps up to {known[-1]};"
            " run the version that wrote it, or a later one"
        )
