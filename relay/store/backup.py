"""One file that holds a whole store, taken while it runs; and a store made from it again.

A backup is an uncompressed tar: `posthouse.db` (a compact snapshot),
`bodies/…`, and last `manifest.json` with the size and SHA-256 of each, so that
a backup that was cut off is known as such. It holds people's mail: mode 0600.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from relay.clock import Clock, to_us
from relay.errors import AlreadyExists
from relay.store import owner
from relay.store.bodies import BodyShelf
from relay.store.connections import check_integrity, snapshot
from relay.store.faults import StoreDamaged

FORMAT = 1
_MEMBER = re.compile(r"posthouse\.db|bodies/[0-9a-z]{2}/[a-z]+_[0-9a-z]+")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: `made_at` in microseconds, `size` of the file in octets."""

    made_at: int
    bodies: int
    size: int


def write_backup(store: Path, shelf: BodyShelf, target: Path, clock: Clock) -> Backup:
    """Write a backup of the store, which may be in use, to `target`. Blocks; call it off the loop.

    When it returns, the file is whole and on disk; until then `target` is
    untouched. Raises StoreUnavailable or OSError.
    """
    made_at = to_us(clock.now())
    unfinished = target.with_name(f".{target.name}.unfinished")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as directory:
        copy = Path(directory) / "posthouse.db"
        try:
            # Files named by the snapshot stay until they are copied; later ones do no harm.
            with shelf.standing_still():
                snapshot(store, copy)
                sums = _pack(unfinished, copy, shelf, made_at)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    owner.sync_directory(target.parent)
    return Backup(made_at, len(sums) - 1, target.stat().st_size)


def restore_backup(
    backup: Path, store: Path, *, replace: bool = False, prepare: Callable[[Path], None] | None = None
) -> Backup:
    """Make the store at `store`, and its `bodies` directory, from a backup. Blocks.

    Everything is checked before anything is put in place. A store that is
    there is refused with AlreadyExists, or with `replace` set aside under
    `<store>.replaced-…`, never deleted. Raises StoreOwned while a process uses
    the store, StoreDamaged when the backup is not whole. The mail is as it was,
    unless `prepare` changes it: it is given the checked store while that is
    still under another name, so that what it does is done before anybody can
    open the store.
    """
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = owner.OwnerLock(store)
    try:
        if not replace and (store.exists() or _log_of(store).exists()):
            raise AlreadyExists(f"there is a store at {store} already")
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=store.parent) as directory:
            manifest = _unpack(backup, Path(directory))
            if prepare is not None:
                prepare(Path(directory) / "posthouse.db")
            _put_in_place(Path(directory), store, manifest["made_at"])
        return Backup(manifest["made_at"], len(manifest["sums"]) - 1, backup.stat().st_size)
    finally:
        lock.release()


def _pack(archive: Path, copy: Path, shelf: BodyShelf, made_at: int) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    with _private(archive) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            sums["posthouse.db"] = _add(tar, "posthouse.db", copy)
            for name in list(shelf.names()):
                sums[f"bodies/{name}"] = _add(tar, f"bodies/{name}", shelf.path(name))
            _add_text(tar, "manifest.json", json.dumps({"format": FORMAT, "made_at": made_at, "sums": sums}))
        file.flush()
        os.fsync(file.fileno())
    return sums


@contextlib.contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file


def _add(tar: tarfile.TarFile, name: str, path: Path) -> list[Any]:
    """Add one file; returns its size and digest, of the very octets that went in."""
    with path.open("rb") as file:
        info = tarfile.TarInfo(name)
        info.mode = 0o600
        info.size = os.fstat(file.fileno()).st_size
        hashing = _Hashing(file)
        tar.addfile(info, hashing)  # it asks for read() alone
    return [info.size, hashing.digest.hexdigest()]


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


class _Hashing:
    """A file that is digested as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _unpack(backup: Path, directory: Path) -> dict[str, Any]:
    """Lay the members out below `directory`; raises StoreDamaged unless all are there and right."""
    found: dict[str, list[Any]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(backup, mode="r:") as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is None or manifest is not None:
                    raise StoreDamaged(f"{backup}: {member.name!r} does not belong there")
                if member.name == "manifest.json":
                    manifest = json.load(source)
                elif _MEMBER.fullmatch(member.name):
                    found[member.name] = _lay_out(source, directory / member.name)
                else:
                    raise StoreDamaged(f"{backup}: {member.name!r} is not a part of a backup")
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise StoreDamaged(f"{backup} is not a whole backup: {error}") from error
    if manifest is None or manifest.get("format") != FORMAT or manifest.get("sums") != found:
        raise StoreDamaged(f"{backup} is not a whole backup: what it holds is not what its manifest says")
    complaints = check_integrity(directory / "posthouse.db")
    if complaints:
        raise StoreDamaged(f"{backup}: {complaints[0]}")
    return manifest


def _lay_out(source: IO[bytes], place: Path) -> list[Any]:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with _private(place) as file:
        while block := source.read(_BLOCK):
            file.write(block)
            digest.update(block)
            size += len(block)
        file.flush()
        os.fsync(file.fileno())
    return [size, digest.hexdigest()]


def _put_in_place(directory: Path, store: Path, stamp: int) -> None:
    """Bodies first, the store last: it is there when all of it is."""
    bodies = store.parent / "bodies"
    owner.expect_no_log(store)
    # A log that belongs to another file would be replayed into this one.
    for old in (store, _log_of(store), store.with_name(f"{store.name}-shm"), bodies):
        if old.exists():
            old.rename(old.with_name(f"{old.name}.replaced-{stamp}"))
    laid_out = directory / "bodies"
    laid_out.mkdir(exist_ok=True)
    laid_out.chmod(0o700)
    for each in laid_out.iterdir():
        owner.sync_directory(each)
    owner.sync_directory(laid_out)
    laid_out.rename(bodies)
    (directory / "posthouse.db").rename(store)
    owner.sync_directory(store.parent)
    owner.remember(store)


def _log_of(store: Path) -> Path:
    return store.with_name(f"{store.name}-wal")
