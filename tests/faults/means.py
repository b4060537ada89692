"""Real faults of a disk and of what stands on it, made while a daemon runs and taken away again.

Each is a context manager that raises NotHere where this machine does not let us
make the fault.
"""

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.daemon import Daemon

WRITABLE = 32 * 1024
BLOCK = 4096


class NotHere(Exception):
    """This machine does not let us; the text says what would."""


@contextmanager
def small_disk(place: Path, size: int = 32 << 20) -> Iterator[Path]:
    """A disk of its own, in memory, mounted at `place`."""
    place.mkdir()
    if _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place):
        pytest.skip("a small disk: mounting is not permitted here")
    try:
        yield place
    finally:
        assert _run("umount", "--lazy", place) == 0


@contextmanager
def full(daemon: Daemon) -> Iterator[None]:
    """Somebody else's file takes all that is left of the daemon's disk."""
    filler = daemon.config.server.data_dir.parent / "somebody else's"
    try:
        with filler.open("wb") as file:
            _take_all(file.fileno(), shutil.disk_usage(filler.parent).free)
        yield
    finally:
        filler.unlink()


def _take_all(descriptor: int, step: int) -> None:
    """In ever smaller steps, since the daemon writes meanwhile."""
    taken = 0
    while step >= BLOCK:
        try:
            os.posix_fallocate(descriptor, taken, step)
        except OSError:
            step //= 2
        else:
            taken += step


@contextmanager
def writes_fail(daemon: Daemon) -> Iterator[None]:
    """No file can be written beyond its first 32 KiB: SQLite calls that a disk I/O error."""
    before = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (WRITABLE, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def syncs_fail(daemon: Daemon) -> Iterator[None]:
    """Whatever is asked to be on disk is not: fsync and fdatasync answer EIO."""
    if shutil.which("strace") is None:
        raise NotHere("strace is not installed")
    calls = "fsync,fdatasync"
    command = (
        "strace",
        "-f",
        "-p",
        str(daemon.pid),
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:error=EIO",
    )
    with subprocess.Popen([*command, "-o", "/dev/null"], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        try:
            if "attached" not in said:
                raise NotHere(said.strip())
            yield
        finally:
            tracer.terminate()
            tracer.stderr.read()


@contextmanager
def locked(daemon: Daemon) -> Iterator[None]:
    """Another program holds the store's lock."""
    assert daemon.config.store_file is not None
    with closing(sqlite3.connect(daemon.config.store_file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        yield
        other.execute("rollback")


@contextmanager
def read_only(daemon: Daemon) -> Iterator[None]:
    """The store's files may not be written any more, by nobody."""
    store = daemon.config.store_file
    assert store is not None
    files = (store, store.with_name(f"{store.name}-wal"))
    if _run("chattr", "+i", *files):
        raise NotHere("chattr is not permitted here")
    try:
        yield
    finally:
        assert _run("chattr", "-i", *files) == 0


def _run(*command: str | Path) -> int:
    """The exit code of a command of the system."""
    return subprocess.run(command, capture_output=True, check=False).returncode
