"""The whole store: a backup of it, and the proof that it is whole."""

import asyncio
import contextlib
import errno
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from relay.clock import from_us
from relay.control.checks import check_store
from relay.control.context import Context, Progress
from relay.control.registry import Arguments, Nothing, operation
from relay.errors import AlreadyExists, InvalidInput, PosthouseError
from relay.store.backup import write_backup

_LOOK_SECONDS = 0.2
AT_SERVER = (
    "the store is on a PostgreSQL server, which has backups of its own: pg_dump writes one, large bodies"
    " included; after pg_restore, `posthouse restore --hold-only` holds what waits"
)


class BackUp(Arguments, frozen=True):
    """`file` is absolute; an older backup there is replaced when the new one is whole."""

    file: str


@operation("store.backup", BackUp)
async def backup(context: Context, wanted: BackUp) -> dict[str, Any]:
    """A backup of the store as it is now, on disk under that name; mail goes on meanwhile."""
    target = Path(wanted.file)
    if not target.is_absolute():
        raise InvalidInput(f"{target} is not an absolute path")
    path, shelf = context.station.config.store_file, context.station.shelf
    if path is None:
        raise InvalidInput(AT_SERVER)
    if not await asyncio.to_thread(_may_replace, target):
        raise AlreadyExists(f"{target} is there, and is no backup; it is left alone")
    try:
        async with _watched(context.progress, target, path, context.station.config.server.data_dir):
            made = await asyncio.to_thread(write_backup, path, shelf, target, context.clock)
    except PermissionError as error:
        raise PosthouseError(
            f"{target}: user {os.geteuid()}, whose the store is, may not write there{_instead(context)}"
        ) from error
    except OSError as error:
        # The unit's sandbox makes everything but the data directory read-only.
        hint = _instead(context) if error.errno == errno.EROFS else ""
        raise PosthouseError(f"{target}: {error.strerror or error}{hint}") from error
    return {
        "file": str(target),
        "size": made.size,
        "bodies": made.bodies,
        "made_at": from_us(made.made_at),
    }


def _instead(context: Context) -> str:
    return f"; name a file below {context.station.config.server.data_dir}, then move it"


@operation("store.verify", Nothing)
async def verify(context: Context, _: Nothing) -> dict[str, Any]:
    """`whole`, and what is wrong: `problems`; `notes` are left-overs that do no harm."""
    report = await check_store(context)
    return {"whole": not report.problems, "problems": report.problems, "notes": report.notes}


@contextlib.asynccontextmanager
async def _watched(progress: Progress, target: Path, store: Path, data_dir: Path) -> AsyncIterator[None]:
    """Tell how far the file has grown; it is about as large as the store."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    total = store.stat().st_size + await asyncio.to_thread(_size_below, data_dir / "bodies")

    async def look() -> None:
        while True:
            with contextlib.suppress(FileNotFoundError):
                progress("backup", unfinished.stat().st_size, total)
            await asyncio.sleep(_LOOK_SECONDS)

    progress("backup", 0, total)
    watcher = asyncio.create_task(look())
    try:
        yield
    finally:
        watcher.cancel()


def _may_replace(target: Path) -> bool:
    """Whether nothing would be lost: the store itself is a file, too."""
    if not target.exists():
        return True
    if not target.is_file():
        return False
    if not target.stat().st_size:
        return True
    try:
        with tarfile.open(target, mode="r:") as tar:
            first = tar.next()
    except (OSError, tarfile.TarError):
        return False
    return first is not None and first.name == "posthouse.db"


def _size_below(directory: Path) -> int:
    sizes = 0
    for file in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            sizes += file.stat().st_size if file.is_file() else 0
    return sizes
