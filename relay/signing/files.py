"""Private files: written whole or not at all, and read only if nobody else can read or change them."""

import os
import secrets
import stat
from pathlib import Path

from relay.errors import PosthouseError

_LARGEST = 65536


class KeyFault(PosthouseError):
    """A key cannot be used; the text names the file and what to do. Mail waits, it is not refused."""


def make_private_directory(directory: Path) -> None:
    """Afterwards the directory exists with mode 0700; one of ours that was looser is tightened."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(directory.stat().st_mode) != 0o700:
        directory.chmod(0o700)
    _flush_directory(directory.parent)


def write_private_file(path: Path, octets: bytes) -> None:
    """Afterwards the file is on disk with mode 0600; never half of it. Raises FileExistsError."""
    # A name of its own: who writes the same file at the same time must not link our draft, nor we theirs.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            os.fchmod(file, 0o600)
            stream.write(octets)
            stream.flush()
            os.fsync(file)
        os.link(draft, path)  # unlike a rename it replaces nothing
    finally:
        draft.unlink(missing_ok=True)
    _flush_directory(path.parent)


def read_private_file(path: Path) -> bytes:
    """The octets of a file that only we can read, in a directory that only we can change.

    Raises KeyFault, naming the path and its mode, and FileNotFoundError.
    """
    for directory in (path.parent, path.parent.parent):
        _check(directory, directory.stat(), forbidden=0o022, remedy="0700")
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFault(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(file, "rb") as stream:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            raise KeyFault(f"{path} is not a key file")
        _check(path, facts, forbidden=0o077, remedy="0600")
        return stream.read(_LARGEST)


def _check(path: Path, facts: os.stat_result, *, forbidden: int, remedy: str) -> None:
    if facts.st_uid != os.geteuid():
        raise KeyFault(f"{path} belongs to user {facts.st_uid}, but we run as user {os.geteuid()}")
    mode = stat.S_IMODE(facts.st_mode)
    if mode & forbidden:
        raise KeyFault(f"{path} has mode {mode:04o}, open to others; repair: chmod {remedy} {path}")


def _flush_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
