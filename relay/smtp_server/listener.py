"""Open a listener, and close it without cutting off what is being handed in."""

import asyncio
import socket
from datetime import timedelta

from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.admission import Admission
from relay.smtp_server.connection import SmtpConnection
from relay.smtp_server.conversation import Conversation
from relay.smtp_server.door import SmtpDoor
from relay.smtp_server.handshake import TlsServer, bind
from relay.smtp_server.manners import SmtpManners
from relay.smtp_server.session import SmtpSession
from relay.smtp_server.transaction import CommitTasks

BACKLOG = 2048  # a burst of clients waits in the kernel instead of being refused

Place = socket.socket | tuple[str, int]


class SmtpListener:
    """A listener with its sessions. `listen` makes one."""

    def __init__(self, door: SmtpDoor, manners: SmtpManners) -> None:
        self._door = door
        self._manners = manners
        self._admission = Admission(manners)
        self._conversations: dict[asyncio.Task[None], Conversation] = {}
        self._commits: CommitTasks = set()
        self._servers: list[asyncio.Server | TlsServer] = []
        self._turned_away: SmtpReply | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets; none after `stop_accepting`."""
        return tuple(each for server in self._servers for each in server.sockets)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def sessions(self) -> tuple[SmtpSession, ...]:
        """The sessions under way."""
        return tuple(c.session for c in self._conversations.values() if c.has_session)

    async def open(self, place: Place) -> None:
        """Bind (or take over the inherited socket) and accept. Raises OSError."""
        sockets = [place] if isinstance(place, socket.socket) else await bind(*place)
        for each in sockets:
            each.setblocking(False)
            each.listen(BACKLOG)
        if self._manners.implicit_tls:
            self._servers = [TlsServer(sockets, self._manners, self._connection)]
            return
        loop = asyncio.get_running_loop()
        for each in sockets:
            self._servers.append(await loop.create_server(self._connection, sock=each, backlog=BACKLOG))

    def stop_accepting(self) -> None:
        """Close the listening sockets; sessions go on. May be called twice."""
        closing, self._servers = self._servers, []
        for server in closing:
            server.close()

    def turn_away(self, reply: SmtpReply | None) -> None:
        """Answer `reply` (421) to everybody, sessions under way included; None: serve again.

        A client that is sending a message hears of it after its answer.
        """
        self._turned_away = reply
        if reply is not None:
            for conversation in self._conversations.values():
                conversation.stop(reply)

    async def drain(self, patience: timedelta) -> int:
        """Take no new sessions and end those under way; returns how many had to be cut off.

        A client that waits gets 421 at once, one that is sending a message
        after its reply. What is left after `patience` is cut off; a message
        whose final dot has come is stored all the same before this returns.
        """
        self.stop_accepting()
        for conversation in self._conversations.values():
            conversation.stop(answers.SHUTTING_DOWN)
        left: set[asyncio.Task[None]] = set()
        if self._conversations:
            _, left = await asyncio.wait(self._conversations, timeout=patience.total_seconds())
        for task in left:
            self._conversations[task].connection.abort()
        await asyncio.gather(*left, *self._commits, return_exceptions=True)
        return len(left)

    def _connection(self) -> SmtpConnection:
        patience = self._manners.command_timeout.total_seconds()
        return SmtpConnection(self._manners.hostname, patience, self._converse)

    async def _converse(self, connection: SmtpConnection) -> None:
        conversation = Conversation(connection, self._door, self._manners, self._admission, self._commits)
        if (task := asyncio.current_task()) is not None:  # it is one, and ends when the socket is closed
            self._conversations[task] = conversation
            task.add_done_callback(self._conversations.pop)
        if self._turned_away is not None:
            conversation.turn_away(self._turned_away)
        await conversation.run()


async def listen(place: Place, door: SmtpDoor, manners: SmtpManners) -> SmtpListener:
    """Accept SMTP sessions at a (host, port) or on an inherited listening socket. Raises OSError."""
    listener = SmtpListener(door, manners)
    await listener.open(place)
    return listener
