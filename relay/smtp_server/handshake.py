"""Implicit TLS (RFC 8314): the handshake that comes before everything, counted like a session.

The event loop's own servers tell nobody of connections whose handshake does
not end, so that one client could use up all our descriptors. Therefore we
accept here ourselves.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from relay.smtp_server.connection import SmtpConnection
from relay.smtp_server.limits import ConnectionCounter
from relay.smtp_server.manners import SmtpManners, is_within
from relay.smtp_server.session import IpAddress, unmapped

log = logging.getLogger("posthouse.smtp")

_AFTER_TROUBLE_SECONDS = 1.0


class TlsServer:
    """Accepts on listening `sockets` until it is closed; `connect` makes what follows a handshake.

    As many handshakes at once for each address, and in all, as there may be
    sessions. Who comes beyond that is hung up on: there is no way to say why.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], manners: SmtpManners, connect: Callable[[], SmtpConnection]
    ) -> None:
        self.sockets = tuple(sockets)
        self._manners = manners
        self._connect = connect
        self._counter = ConnectionCounter(manners.connections_per_ip, manners.connections)
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        for each in sockets:
            each.setblocking(False)
            self._go_on(each)

    def close(self) -> None:
        """Accept no more, and break off the handshakes under way; sessions go on."""
        self._closed = True
        for each in self.sockets:
            self._loop.remove_reader(each)
            each.close()
        for task in self._handshakes:
            task.cancel()

    def _go_on(self, listening: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Whoever waits first. Not awaited: what comes while we are closed would be nobody's."""
        try:
            client, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # it left before we came to it
        except OSError as error:
            # No descriptors left, most likely: sessions that end give some back.
            log.error("cannot accept a connection", exc_info=error)
            self._loop.remove_reader(listening)
            self._loop.call_later(_AFTER_TROUBLE_SECONDS, self._go_on, listening)
            return
        client.setblocking(False)
        self._admit(client, unmapped(address[0]))

    def _admit(self, client: socket.socket, peer: IpAddress) -> None:
        is_counted = not is_within(peer, self._manners.uncounted_networks)
        if is_counted and not self._counter.enter(peer):
            client.close()
            return
        task = asyncio.create_task(self._shake_hands(client))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        # A task that is cancelled before it began has run none of its own clearing up.
        task.add_done_callback(lambda ended: client.close() if ended.cancelled() else None)
        if is_counted:
            task.add_done_callback(lambda _: self._counter.leave(peer))

    async def _shake_hands(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connect,
                client,
                ssl=self._manners.tls_context,
                ssl_handshake_timeout=self._manners.handshake_timeout.total_seconds(),
            )
        except OSError:  # ssl.SSLError is one: no handshake, no session
            client.close()
        except BaseException:
            client.close()
            raise


async def bind(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of `host`. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
