"""Speak with the service manager: sockets that it holds for us, and how we are.

sd_listen_fds(3): sockets from descriptor 3 on, by name; they outlive our
restart, so connections wait instead of being refused. sd_notify(3): datagrams
to $NOTIFY_SOCKET. Without a service manager everything here does nothing.
"""

import logging
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import timedelta

from relay.clock import Clock, span_us
from relay.errors import PosthouseError

FIRST_FD = 3
_log = logging.getLogger(__name__)


class NoSuchSocket(PosthouseError):
    """The configuration names a socket that the service manager did not hand over."""


class InheritedSockets:
    """The listening sockets that the service manager handed over, by FileDescriptorName."""

    def __init__(self, by_name: Mapping[str, Sequence[socket.socket]] | None = None) -> None:
        self._by_name = dict(by_name or {})
        self._taken: set[str] = set()

    def take(self, name: str) -> Sequence[socket.socket]:
        """All sockets of that name; the caller owns them. NoSuchSocket when there is none."""
        if name not in self._by_name:
            known = ", ".join(sorted(self._by_name)) or "none"
            raise NoSuchSocket(f"no socket named {name!r} was inherited (there: {known})")
        self._taken.add(name)
        return self._by_name[name]

    def untaken(self) -> tuple[str, ...]:
        """Names that nobody took: connections to them would wait for ever."""
        return tuple(sorted(set(self._by_name) - self._taken))

    def close_untaken(self) -> None:
        """Let go of what nobody took; the service manager holds it further."""
        for name in self.untaken():
            for sock in self._by_name.pop(name):
                sock.close()


def inherit_sockets(
    environ: MutableMapping[str, str] = os.environ, *, pid: int | None = None, first_fd: int = FIRST_FD
) -> InheritedSockets:
    """Take over the descriptors that $LISTEN_FDS announces for this process.

    The variables are removed and the descriptors made private, so no child
    process takes them for its own. Call once, before anything is started.
    """
    listen_pid, count, names = (environ.pop(f"LISTEN_{word}", "") for word in ("PID", "FDS", "FDNAMES"))
    if listen_pid != str(pid or os.getpid()) or not count.isdigit():
        return InheritedSockets()
    by_name: dict[str, list[socket.socket]] = {}
    given = names.split(":") if names else []
    for index in range(int(count)):
        name = given[index] if index < len(given) else "unknown"
        by_name.setdefault(name, []).append(_adopt(first_fd + index, name))
    return InheritedSockets(by_name)


def watchdog_interval(
    environ: MutableMapping[str, str] = os.environ, *, pid: int | None = None
) -> timedelta | None:
    """Within how long each sign of life must follow the last one; None when nobody waits for it.

    Feed it at a third of that. The variables are removed.
    """
    span, watched = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not span.isdigit() or not int(span) or (watched and watched != str(pid or os.getpid())):
        return None
    return timedelta(microseconds=int(span))


class ServiceManager:
    """Tells the service manager how we are. Trouble with it is never ours: it is logged and passes."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> "ServiceManager":
        """The one of $NOTIFY_SOCKET, which is removed, so that no child process speaks for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else "")

    def ready(self, status: str) -> None:
        """Listeners and store are up, or a reload is done."""
        self._notify("READY=1", _status(status))

    def status(self, text: str) -> None:
        """What `systemctl status` shows, one line."""
        self._notify(_status(text))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._notify("WATCHDOG=1")

    def reloading(self, clock: Clock) -> None:
        """The configuration is being read again; `ready` follows."""
        self._notify("RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}")

    def stopping(self, status: str) -> None:
        self._notify("STOPPING=1", _status(status))

    def extend_timeout(self, span: timedelta) -> None:
        """Starting or stopping may take `span` more from now on."""
        self._notify(f"EXTEND_TIMEOUT_USEC={span_us(span)}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _notify(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.debug("the service manager does not listen: %s", error)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"


def _adopt(descriptor: int, name: str) -> socket.socket:
    """The descriptor as a socket of ours; NoSuchSocket when it is not one that listens."""
    try:
        os.set_inheritable(descriptor, False)
        adopted = socket.socket(fileno=descriptor)
        listens = adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise NoSuchSocket(f"descriptor {descriptor} ({name}) is not a socket: {error.strerror}") from None
    if not listens:
        adopted.detach()
        raise NoSuchSocket(f"descriptor {descriptor} ({name}) is not a listening socket")
    adopted.setblocking(False)
    return adopted
