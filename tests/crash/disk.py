"""A disk whose power can be cut: what was written to a directory since, and what of it had to be durable.

Stricter than any file system we know: octets are durable when their file was
synced, a name is when its directory was, and nothing else is. `survive` lets
each write that was not synced survive with that likelihood, whole or in part,
as a disk may have written it in any order.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
Write = tuple[int, bytes | None]  # where and what; None: everything behind it was cut off


@dataclass(slots=True)
class File:
    """Octets on the disk, and what was written since the last sync."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)

    def write(self, at: int, octets: bytes) -> None:
        self.pending.append((at, octets))

    def truncate(self, size: int) -> None:
        self.pending.append((size, None))

    def sync(self, count: int) -> None:
        """The first `count` of what was pending is durable now."""
        due, self.pending = self.pending[:count], self.pending[count:]
        for write in due:
            _apply(self.durable, write)

    def after_cut(self, rng: random.Random, survive: float) -> bytes:
        found = bytearray(self.durable)
        for at, octets in self.pending:
            if rng.random() < survive:
                whole = octets is None or rng.random() < 0.5
                _apply(found, (at, octets) if whole or octets is None else (at, _torn(octets, rng)))
        return bytes(found)


@dataclass(slots=True)
class Directory:
    """Names as programs see them, and as they stand on the disk."""

    names: "dict[str, File | Directory]" = field(default_factory=dict)
    durable: "dict[str, File | Directory]" = field(default_factory=dict)

    def sync(self) -> None:
        self.durable = dict(self.names)


class Disk:
    """The tree below `root`. Begins with what is there, as if all of it were durable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._top = _load(root)

    def holds(self, path: Path) -> bool:
        return path.is_relative_to(self.root)

    def find(self, path: Path) -> "File | Directory | None":
        place: File | Directory | None = self._top
        for part in path.relative_to(self.root).parts:
            if not isinstance(place, Directory):
                return None
            place = place.names.get(part)
        return place

    def file(self, path: Path) -> File | None:
        found = self.find(path)
        return found if isinstance(found, File) else None

    def create(self, path: Path) -> None:
        self._parent(path).names.setdefault(path.name, File())

    def make_directory(self, path: Path) -> None:
        self._parent(path).names[path.name] = Directory()

    def rename(self, old: Path, new: Path) -> None:
        if self.find(old) is not None:  # else a socket, which no disk has
            self._parent(new).names[new.name] = self._parent(old).names.pop(old.name)

    def link(self, old: Path, new: Path) -> None:
        self._parent(new).names[new.name] = self._parent(old).names[old.name]

    def unlink(self, path: Path) -> None:
        self._parent(path).names.pop(path.name, None)

    def is_durable(self, path: Path) -> bool:
        """Whether this very file would be there after a cut, under this name, with all its octets."""
        place: File | Directory | None = self._top
        for part in path.relative_to(self.root).parts:
            if not isinstance(place, Directory):
                return False
            place = place.durable.get(part)
        return isinstance(place, File) and not place.pending and place is self.find(path)

    def cut_power(self, target: Path, rng: random.Random, survive: float) -> None:
        """Write what is left into `target`, which must not exist."""
        _save(self._top, target, rng, survive)

    def _parent(self, path: Path) -> Directory:
        found = self.find(path.parent)
        assert isinstance(found, Directory), path
        return found


def _load(path: Path) -> Directory:
    directory = Directory()
    for entry in path.iterdir():
        if entry.is_dir():
            directory.names[entry.name] = _load(entry)
        elif entry.is_file():
            directory.names[entry.name] = File(bytearray(entry.read_bytes()))
    directory.sync()
    return directory


def _save(directory: Directory, target: Path, rng: random.Random, survive: float) -> None:
    target.mkdir(mode=0o700)
    kept = directory.names if rng.random() < survive else directory.durable
    for name, entry in kept.items():
        if isinstance(entry, Directory):
            _save(entry, target / name, rng, survive)
        else:
            (target / name).touch(0o600)
            (target / name).write_bytes(entry.after_cut(rng, survive))


def _apply(octets: bytearray, write: Write) -> None:
    at, what = write
    if what is None:
        del octets[at:]
        octets.extend(bytes(at - len(octets)))
    elif what:
        octets.extend(bytes(max(0, at + len(what) - len(octets))))
        octets[at : at + len(what)] = what


def _torn(octets: bytes, rng: random.Random) -> bytes:
    """As much of a write as had reached the disk."""
    return octets[: rng.randrange(len(octets) // SECTOR + 1) * SECTOR]
