"""Keep bodies that are too large for a row in object storage, where every node can read them.

The storage has acknowledged an object before the row that names it is
committed, so dying in between leaves one that no row names, and `sweep` takes
it away once it is old. Bodies that were kept before stay on the shelf on which
they were: a name says where its body stands.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from relay.clock import Clock
from relay.store.bodies import IN_OBJECTS, BodyBytes, BodyShelf, name_of, remove_unfinished
from relay.store.copies import CopyingShelf
from relay.store.faults import StoreFault, from_os
from relay.store.objects import Objects


class ObjectShelf(CopyingShelf):
    """Objects, and copies of them below `<data_dir>/object-copies`; `beneath` has what is kept otherwise."""

    directory = "object-copies"
    mark: ClassVar[str] = IN_OBJECTS

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        objects: Objects,
        beneath: BodyShelf,
        *,
        trouble: Callable[[OSError], StoreFault] = from_os,
    ) -> None:
        super().__init__(data_dir, clock, trouble=trouble)
        self._objects = objects
        self._beneath = beneath

    async def open(self, data: bytes | None, file: str | None) -> tuple[bytes | None, Path | None]:
        if file is not None and not _is_object(file):
            return await self._beneath.open(data, file)
        return await super().open(data, file)

    def path(self, name: str) -> Path:
        if not _is_object(name):
            return self._beneath.path(name)
        return super().path(name.removeprefix(IN_OBJECTS))

    async def drop(self, name: str) -> None:
        if _is_object(name):
            await self._off_loop(lambda: self._objects.delete(name.removeprefix(IN_OBJECTS)))
            await self._remove(name)
        else:
            await self._beneath.drop(name)

    async def sweep(self, known: Callable[[], Awaitable[set[str]]], older_than: timedelta) -> list[str]:
        """Remove objects older than that which no row names, and copies that nobody used for as long."""
        swept = await self._beneath.sweep(known, older_than)
        border = (self._clock.now() - older_than).timestamp()
        listed = await self._off_loop(lambda: list(self._objects.listed()))
        orphans = sorted({IN_OBJECTS + name for name, _, at in listed if at < border} - await known())
        for name in orphans:
            await self.drop(name)
        await self._remove_unused(border)
        await self._off_loop(lambda: remove_unfinished(self.incoming, border))
        return swept + orphans

    async def sizes_elsewhere(self) -> dict[str, int]:
        listed = await self._off_loop(lambda: list(self._objects.listed()))
        return {IN_OBJECTS + name: size for name, size, _ in listed}

    def names(self) -> Iterator[str]:
        """Of the files that stand here: what is in object storage is not ours to back up."""
        return self._beneath.names()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        with self._beneath.standing_still():
            yield

    def close(self) -> None:
        super().close()
        self._beneath.close()

    async def _keep_large(self, body: BodyBytes, message_id: str) -> str:
        name = name_of(message_id)
        await self._off_loop(lambda: self._put(name, body))
        return IN_OBJECTS + name

    def _put(self, name: str, body: BodyBytes) -> None:
        self._objects.put(name, body)
        # Most likely this node is the next to read it.
        if body.file is not None:
            with contextlib.suppress(OSError):
                copy = super().path(name)
                copy.parent.mkdir(mode=0o700, exist_ok=True)
                os.link(body.file, copy)

    async def _write_copy(self, name: str, unfinished: Path) -> bool:
        return await self._off_loop(lambda: self._objects.fetch(name.removeprefix(IN_OBJECTS), unfinished))


def _is_object(name: str) -> bool:
    return name.startswith(IN_OBJECTS)
