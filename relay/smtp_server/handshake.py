"""Implicit TLS (RFC 8314): the handshake that comes before everything, counted like a session.

The event loop's own servers tell nobody of connections whose handshake does
not end, so that one client could use up all our descriptors. Therefore we
accept here ourselves.
"""

import asyncio
import errno
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
        self._accepting = [self._begin(each) for each in sockets]

    def close(self) -> None:
        """Accept no more, and break off the handshakes under way; sessions go on."""
        for task in (*self._accepting, *self._handshakes):
            task.cancel()

    def _begin(self, listening: socket.socket) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._accept(listening), name="accept")
        task.add_done_callback(lambda _: listening.close())
        return task

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, address = await asyncio.get_running_loop().sock_accept(listening)
                self._admit(client, unmapped(address[0]))
            except Exception as error:
                if isinstance(error, OSError) and error.errno == errno.ECONNABORTED:
                    continue  # it left before we came to it
                # No descriptors left, most likely: sessions that end give some back.
                log.error("cannot accept a connection", exc_info=error)
                await asyncio.sleep(_AFTER_TROUBLE_SECONDS)

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
