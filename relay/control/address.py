"""Bind and find the control socket, also where its path is longer than the kernel lets a name be.

A socket's name has 107 octets (unix(7)). A longer path is reached through
`/proc/self/fd`, which names its directory by a number.
"""

import contextlib
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from relay.errors import PosthouseError

_LONGEST_NAME = 107
_BACKLOG = 64
_PRIVATE = 0o600


class CannotListen(PosthouseError):
    """The control socket cannot be made; the text says why."""


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of `path` that fits, for as long as the block lasts."""
    if len(os.fsencode(path)) <= _LONGEST_NAME:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path) -> socket.socket:
    """A listening socket at `path` that only we may use; one that nobody listens at is replaced.

    It gets its mode before it listens, and its name when it does, so there is
    no instant at which others could reach it.
    """
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise CannotListen(f"{path} is there and is no socket; remove it")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        with short_name(unfinished) as name:
            sock.bind(name)
        unfinished.chmod(_PRIVATE)
        sock.listen(_BACKLOG)
        unfinished.rename(path)
    except OSError as error:
        sock.close()
        unfinished.unlink(missing_ok=True)
        raise CannotListen(f"{path}: {error.strerror or error}") from error
    return sock


def remove(path: Path, inode: int) -> None:
    """Take the name away, if it is still that of our socket."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()
