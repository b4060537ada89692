"""One process owns the store, and the data directory remembers that a store was there.

The lock is flock on `<store>.lock`, which holds the owner's process number
and command; the kernel lets go of it when the owner dies. `<store>.id` is
written when a store has been made: a store that is missing beside it is a
loss, never a first start. `<store>.open` is there while the log of an open
store may hold what the store does not.
"""

import contextlib
import fcntl
import os
import secrets
import sys
from pathlib import Path

from relay.store.faults import StoreDamaged, StoreOwned

APPLICATION_ID = 0x506F7374  # "Post": which program's SQLite file this is
_MAGIC = b"SQLite format 3\x00"
_ID_PLACE = slice(68, 72)  # https://www.sqlite.org/fileformat.html, 1.3


class OwnerLock:
    """Holds the lock of one store from construction to `release`; raises StoreOwned."""

    def __init__(self, store: Path) -> None:
        self._fd = os.open(beside(store, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 1000, 0).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise StoreOwned(f"{store} is in use by {owner or 'another process'}") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"process {os.getpid()} ({_command()})\n".encode(), 0)

    def release(self) -> None:
        """Let others have it. The file stays: removing it would let two processes lock two files."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def _command() -> str:
    program = Path(sys.argv[0]).name if sys.argv else "python"
    # `python -m relay` is what the launcher of a checkout runs.
    return " ".join(["posthouse" if program == "__main__.py" else program, *sys.argv[1:]])[:500]


def beside(store: Path, suffix: str) -> Path:
    """The file that accompanies the store under that suffix."""
    return store.with_name(f"{store.name}.{suffix}")


def remember(store: Path) -> None:
    """Write down that there is a store; does nothing when that is known."""
    marker = beside(store, "id")
    if marker.exists():
        return
    with open(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secrets.token_hex(16)}\n")
        file.flush()
        os.fsync(file.fileno())
    sync_directory(store.parent)


def expect_log(store: Path) -> None:
    """The store has been opened: from now on it is not whole without its log.

    Not synced: file systems keep the order in which names of one directory come and go.
    """
    beside(store, "open").touch(0o600)


def expect_no_log(store: Path) -> None:
    """The store is about to be closed in order, and its log written back."""
    with contextlib.suppress(OSError):  # nor will the log go then
        beside(store, "open").unlink(missing_ok=True)


def find_store(store: Path) -> bool:
    """Whether a store is there to be opened; False for a first start.

    Looks at the files without SQLite, which would delete the log of an empty
    store. Raises StoreDamaged, and changes nothing, when one should be there
    and what is there is not one.
    """
    size = store.stat().st_size if store.exists() else 0
    log = store.with_name(f"{store.name}-wal")
    if size == 0:
        _refuse_lost(store, log)
        return False
    _refuse_without_log(store, log)
    with store.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise StoreDamaged(f"{store} does not begin like an SQLite file; restore a backup")
    if int.from_bytes(header[_ID_PLACE], "big") != APPLICATION_ID:
        raise StoreDamaged(f"{store} is an SQLite file, but not a store of ours")
    return True


def _refuse_lost(store: Path, log: Path) -> None:
    state = "empty" if store.exists() else "missing"
    if log.exists() and log.stat().st_size > 0:
        raise StoreDamaged(f"{store} is {state}, but its log {log.name} is there; restore a backup")
    marker = beside(store, "id")
    if marker.exists():
        raise StoreDamaged(
            f"{store} is {state}, but a store was here before; restore a backup,"
            f" or remove {marker.name} to begin with nothing"
        )


def _refuse_without_log(store: Path, log: Path) -> None:
    marker = beside(store, "open")
    if marker.exists() and not log.exists():
        raise StoreDamaged(
            f"{store} was not closed in order, and its log {log.name} is missing, with what was written last;"
            f" put it back or restore a backup, or remove {marker.name} to go on without it"
        )


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
