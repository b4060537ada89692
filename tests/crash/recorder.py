"""What a daemon does to its data directory, and whether each answer waited for the disk.

An id that is acknowledged must stand in the store's log below a commit that a
sync covered before the answer was sent, and a body that has a file must be
durable under its name.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.disk import Directory, Disk, File
from tests.crash.syscalls import Call

_ID = rb"msg_[0-9a-z]{24}"
_IN_PAGE = re.compile(_ID)
_SAID = re.compile(rb"250 2\.0\.0 (?:queued|received) as (" + _ID + rb')|\{"id":"(' + _ID + rb')"')
_WAL_HEADER, _FRAME_HEADER = 32, 24


@dataclass(slots=True)
class Log:
    """SQLite's write-ahead log as far as it is durable: the ids below its commits.

    A frame with a size behind the page number is a commit; frames count while
    they bear the salt of the log's header (sqlite.org/fileformat.html, 4.2).
    """

    ids: set[bytes] = field(default_factory=set)
    _salt: bytes = b""
    _read: int = 0

    def read_on(self, octets: bytes | bytearray) -> None:
        """The log was synced, and holds this."""
        salt, page = bytes(octets[16:24]), int.from_bytes(octets[8:12], "big")
        if salt != self._salt:
            self._salt, self._read = salt, _WAL_HEADER
        at, found = self._read, set[bytes]()
        while at + _FRAME_HEADER + page <= len(octets):
            if octets[at + 8 : at + 16] != salt:
                break
            found |= set(_IN_PAGE.findall(octets, at + _FRAME_HEADER, at + _FRAME_HEADER + page))
            is_commit = any(octets[at + 4 : at + 8])
            at += _FRAME_HEADER + page
            if is_commit:
                self.ids |= found
                found.clear()
                self._read = at


@dataclass(slots=True)
class Recorder:
    """Sees every call; `answered` are the ids that were acknowledged, `premature` those too early."""

    disk: Disk
    answered: set[bytes] = field(default_factory=set)
    premature: list[str] = field(default_factory=list)
    syncs: int = 0
    _log: Log = field(default_factory=Log)
    _places: dict[tuple[int, str], int] = field(default_factory=dict)
    _syncing: dict[str, int] = field(default_factory=dict)

    def see(self, call: Call) -> None:
        if call.name in ("write", "writev", "sendto", "sendmsg", "sendmmsg"):
            _, path = call.descriptor
            if not path.startswith("/"):
                if call.result is None:
                    self._answers(call.octets)
                return
        if call.result is None:
            if call.name in ("fsync", "fdatasync"):
                self._sync_begins(Path(call.descriptor[1]))
        elif call.result >= 0:
            self._done(call)

    def _answers(self, octets: bytes) -> None:
        for queued, posted in _SAID.findall(octets):
            id_ = queued or posted
            if id_ in self.answered:
                continue
            self.answered.add(id_)
            if id_ not in self._log.ids:
                self.premature.append(f"{id_.decode()}: no commit that holds it was synced")
            name = id_.decode()
            body = self.disk.root / "bodies" / name[-2:] / name
            if self.disk.find(body) is not None and not self.disk.is_durable(body):
                self.premature.append(f"{name}: its body's file is not durable")

    def _done(self, call: Call) -> None:
        """Something came back well."""
        name = call.name
        if name in ("openat", "creat"):
            self._opened(call)
        elif name in ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"):
            self._named(call)
        elif name in ("mkdir", "mkdirat"):
            if self.disk.holds(call.paths[0]):
                self.disk.make_directory(call.paths[0])
        elif self.disk.holds(Path(call.descriptor[1])):
            self._changed(call)

    def _opened(self, call: Call) -> None:
        number, text = call.opened
        path = Path(text)
        if not self.disk.holds(path):
            return
        self._places[number, text] = 0
        if b"O_CREAT" in call.arguments:
            self.disk.create(path)
        file = self.disk.file(path)
        if file is not None and b"O_TRUNC" in call.arguments:
            file.truncate(0)

    def _named(self, call: Call) -> None:
        paths = call.paths
        if not all(self.disk.holds(path) for path in paths):
            return
        if call.name.startswith("rename"):
            self.disk.rename(*paths)
        elif call.name.startswith("link"):
            self.disk.link(*paths)
        else:
            self.disk.unlink(paths[0])

    def _changed(self, call: Call) -> None:
        number, text = call.descriptor
        path, result = Path(text), call.result or 0
        if call.name in ("fsync", "fdatasync"):
            self._synced(path, call)
            return
        file = self.disk.file(path)
        if file is None:  # removed already, or shared memory that nobody needs after a cut
            return
        if call.name == "lseek":
            self._places[number, text] = result
        elif call.name == "ftruncate":
            file.truncate(call.numbers[-1])
        elif call.name == "pwrite64":
            file.write(call.numbers[-1], call.octets[:result])
        elif call.name in ("write", "writev"):
            at = self._places.get((number, text), 0)
            file.write(at, call.octets[:result])
            self._places[number, text] = at + result
        else:
            raise AssertionError(f"{call.name} is not understood")

    def _sync_begins(self, path: Path) -> None:
        if self.disk.holds(path) and (file := self.disk.file(path)) is not None:
            self._syncing[str(path)] = len(file.pending)

    def _synced(self, path: Path, call: Call) -> None:
        if call.is_pretended:
            return
        self.syncs += 1
        place = self.disk.find(path)
        if isinstance(place, Directory):
            place.sync()
        elif isinstance(place, File):
            place.sync(self._syncing.pop(str(path), 0))
            if path.name.endswith("-wal"):
                self._log.read_on(place.durable)
