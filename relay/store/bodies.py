"""Keep bodies that are too large for a row as files that are on disk before their row is.

A file is written beside its place, synced, renamed, and its directory synced
(one that came in as a synced file gets a second name instead); then the row
that names it is committed. Dying in between leaves a file that
no row names, and `sweep` takes it away once it is old. The other way round,
a row is committed without its file, never happens.
"""

import asyncio
import contextlib
import errno
import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.failpoints import ARMED, reach
from relay.store.faults import StoreFault, from_os
from relay.store.owner import sync_directory

T = TypeVar("T")

# Up to this size a body stands in its row. Measured with bench/bodies.py (2 cores, ext4): rows are
# 1.8 to 3 times faster than files at 128 KB, still ahead at 256 KB, and behind from 1 MB on. What is
# larger than this was streamed to a synced file as it came in, so a row would write it a second time.
ROW_LIMIT = 128 * 1024
THREADS = 4
# Begins the name of a body that stands in object storage, whichever shelf is in use. Longer than the
# two digits that begin a file's name, which are chance.
IN_OBJECTS = "objects/"
_COPY = 1 << 20
# Another file system, one without hard links, or a file with too many.
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}
_ID = re.compile(r"[a-z]+_[0-9a-z]{4,}")
_NAME = re.compile(r"[0-9a-z]{2}/[a-z]+_[0-9a-z]{4,}")


class BodyBytes(Protocol):
    """Where a body is now: in memory or in a finished, synced file. `relay.message` has the type."""

    @property
    def data(self) -> bytes | None: ...
    @property
    def file(self) -> Path | None: ...
    @property
    def size(self) -> int: ...


class BodyShelf:
    """The body files below `<data_dir>/bodies`, and `<data_dir>/incoming` where they are written.

    `trouble` turns a failed file operation into what is raised; give it
    `SqliteDatabase.note_trouble`, so that a full disk closes the intake.
    """

    directory = "bodies"

    def __init__(
        self, data_dir: Path, clock: Clock, *, trouble: Callable[[OSError], StoreFault] = from_os
    ) -> None:
        self._clock = clock
        self._trouble = trouble
        self._bodies = data_dir / self.directory
        self.incoming = data_dir / "incoming"
        for directory in (self._bodies, self.incoming):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(data_dir)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="bodies")
        self._gate = threading.Lock()
        self._made: set[Path] = set()
        self._holders = 0
        self._postponed: list[str] = []

    async def keep(self, body: BodyBytes, message_id: str) -> tuple[bytes | None, str | None]:
        """The values of the columns `body` and `body_file` for this body; exactly one is not None.

        When a name is returned, its file is durable: commit the row next. `drop`
        the name only when the row is known not to be there; after a
        StoreUnavailable or a cancellation leave it to `sweep`. `body` is left
        as it is: its file may be kept again, and is its owner's to discard.
        Raises StoreUnavailable.
        """
        if body.size <= ROW_LIMIT:
            if body.data is not None:
                return body.data, None
            return await self._off_loop(_file_of(body).read_bytes), None
        return None, await self._keep_large(body, message_id)

    async def open(self, data: bytes | None, file: str | None) -> tuple[bytes | None, Path | None]:
        """From the columns `body` and `body_file` to the `data` and `file` of a Body."""
        return data, self.path(file) if file is not None else None

    def path(self, name: str) -> Path:
        """Where the file of that name is; raises ValueError for what cannot be one of ours.

        Raises StoreUnavailable for one in object storage, if this shelf knows none.
        """
        if name.startswith(IN_OBJECTS):
            raise StoreUnavailable(f"{name} stands in object storage, and store.bodies names none")
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a body file: {name!r}")
        return self._bodies / name

    async def drop(self, name: str) -> None:
        """Remove a file, after the commit that forgot it; one that is gone already is fine."""
        await self._remove(name)

    async def _remove(self, name: str) -> None:
        with self._gate:
            if self._holders:
                self._postponed.append(name)
                return
        await self._off_loop(lambda: self.path(name).unlink(missing_ok=True))

    async def sweep(self, known: Callable[[], Awaitable[set[str]]], older_than: timedelta) -> list[str]:
        """Remove files older than that which no row names; returns their names.

        `known` asks the store, and is called after the listing: a file that is
        committed meanwhile is known by then, and one whose commit is still to
        come is younger than `older_than`.
        """
        border = (self._clock.now() - older_than).timestamp()
        listed = await self._off_loop(lambda: list(older(self._bodies, border)))
        orphans = sorted(set(listed) - await known())
        for name in orphans:
            await self.drop(name)
        await self._off_loop(lambda: remove_unfinished(self.incoming, border))
        return orphans

    async def missing(self, known: Iterable[str]) -> list[str]:
        """Which of these names have no file: the store is not whole."""
        return await self._off_loop(lambda: [name for name in known if not self.path(name).is_file()])

    async def sizes_elsewhere(self) -> dict[str, int]:
        """The bodies in object storage by their names; raises StoreUnavailable when it cannot be asked."""
        return {}

    def names(self) -> Iterator[str]:
        """The names of all files on the shelf."""
        return (name for name, _ in _entries(self._bodies))

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """While this lasts, no file is removed: `drop` is put off until the end."""
        with self._gate:
            self._holders += 1
        try:
            yield
        finally:
            with self._gate:
                self._holders -= 1
                due, self._postponed = (self._postponed, []) if not self._holders else ([], self._postponed)
            for name in due:
                self.path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Finish what was begun."""
        self._pool.shutdown()

    async def _keep_large(self, body: BodyBytes, message_id: str) -> str:
        return await self._off_loop(lambda: self._put_away(body, message_id))

    async def _off_loop(self, action: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, action)
        except OSError as error:
            raise self._trouble(error) from error

    def _put_away(self, body: BodyBytes, message_id: str) -> str:
        name = name_of(message_id)
        place = self.path(name)
        self._make_directory(place.parent)
        if body.file is None or not _linked(body.file, place):
            self._copy(body, place)
        sync_directory(place.parent)
        if ARMED:
            reach("store.body")
        return name

    def _make_directory(self, directory: Path) -> None:
        if directory in self._made:  # and synced: another thread may have made it, and not be done
            return
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(self._bodies)
        self._made.add(directory)

    def _copy(self, body: BodyBytes, place: Path) -> None:
        unfinished = self.incoming / f"{place.name}.body"
        try:
            _write(unfinished, body)
            unfinished.rename(place)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


def name_of(message_id: str) -> str:
    """Under which name a message's body is kept; raises ValueError for what is no id."""
    if not _ID.fullmatch(message_id):
        raise ValueError(f"not an id: {message_id!r}")
    # The end of an id is chance, so the files spread over 1024 directories.
    return f"{message_id[-2:]}/{message_id}"


def _linked(file: Path, place: Path) -> bool:
    """Give a synced file a second name; False where the file system cannot."""
    try:
        os.link(file, place)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _file_of(body: BodyBytes) -> Path:
    if body.file is None:
        raise ValueError("a body is in memory or in a file")
    return body.file


def _write(place: Path, body: BodyBytes) -> None:
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
        for chunk in chunks_of(body):
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        os.fsync(file.fileno())


def chunks_of(body: BodyBytes) -> Iterator[bytes]:
    """Its octets, a part at a time."""
    if body.data is not None:
        yield from (body.data[at : at + _COPY] for at in range(0, len(body.data), _COPY))
        return
    with _file_of(body).open("rb") as file:
        while chunk := file.read(_COPY):
            yield chunk


def _entries(bodies: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(bodies) as directories:
        for directory in directories:
            with os.scandir(directory.path) as files:
                for file in files:
                    yield f"{directory.name}/{file.name}", file


def older(bodies: Path, border: float) -> Iterator[str]:
    """The names of the files that were last written before `border`, seconds of the clock."""
    for name, file in _entries(bodies):
        with contextlib.suppress(FileNotFoundError):
            if _NAME.fullmatch(name) and file.stat().st_mtime < border:
                yield name


def remove_unfinished(incoming: Path, border: float) -> None:
    """Remove what was begun before `border` and never finished."""
    for file in incoming.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime < border:
                file.unlink()
