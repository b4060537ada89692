"""A shelf whose bodies stand elsewhere: who reads one gets a copy beside the node, made when needed.

A copy is found by its name alone, so half a one must never have that name.
"""

import contextlib
import os
import secrets
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from relay.store.bodies import BodyShelf, older


class CopyingShelf(BodyShelf):
    """Copies stand below `<data_dir>/<directory>`; they may be removed at any time.

    `mark` begins the names of the bodies that stand there; `path` knows the copies under these names.
    """

    mark: ClassVar[str] = ""

    @abstractmethod
    async def _write_copy(self, name: str, unfinished: Path) -> bool:
        """All octets of that body into this file, a part at a time; False when there is no such body."""

    async def open(self, data: bytes | None, file: str | None) -> tuple[bytes | None, Path | None]:
        """As on the shelf of one node; the copy is made when there is none. Raises StoreUnavailable.

        A body that is gone has no file either: whoever opens it meets FileNotFoundError.
        """
        if file is None:
            return data, None
        copy = self.path(file)
        if not await self._off_loop(lambda: _touch(copy)):
            await self._fetch(file, copy)
        return None, copy

    async def _remove_unused(self, border: float) -> None:
        """Remove the copies that nobody has opened since `border`, seconds of the clock."""
        for name in await self._off_loop(lambda: list(older(self._bodies, border))):
            await self._remove(self.mark + name)

    async def _fetch(self, name: str, copy: Path) -> None:
        unfinished = self.incoming / f"{copy.name}.{secrets.token_hex(4)}.copy"
        try:
            if await self._write_copy(name, unfinished):
                await self._off_loop(lambda: _put_in_place(unfinished, copy))
        finally:
            await self._off_loop(lambda: unfinished.unlink(missing_ok=True))


def _put_in_place(unfinished: Path, copy: Path) -> None:
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished.rename(copy)


def _touch(copy: Path) -> bool:
    """Say that the copy is in use; False when there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(copy)
        return True
    return False
