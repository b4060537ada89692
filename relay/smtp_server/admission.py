"""Who may begin a session at one listener, and what an address may still do within it.

The client is known first: behind a trusted proxy it is whom the proxy names.
Networks that are not counted pass everything here. Where all connections are
taken, strangers who have been here for a while and brought nothing make room:
a crowd that is slow on purpose keeps nobody's mail out.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from relay.ids import new_id
from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.connection import SmtpConnection
from relay.smtp_server.limits import ConnectionCounter
from relay.smtp_server.manners import SmtpManners, is_within
from relay.smtp_server.patience import CloseAfter
from relay.smtp_server.rates import Deed
from relay.smtp_server.session import SmtpSession

if TYPE_CHECKING:
    from relay.smtp_server.conversation import Conversation

log = logging.getLogger("posthouse.smtp")

_NOT_HERE = 550  # an unknown mailbox, or somebody else's
_WHILE = 10.0  # seconds in which a mail server has said what it wants


class Admission:
    """The limits of one listener, over all of its sessions."""

    def __init__(self, manners: SmtpManners) -> None:
        self._manners = manners
        self._rates = manners.rates
        self._counter = ConnectionCounter(manners.connections_per_ip, manners.connections)
        # Who may have to make room, by when they came, the longest first.
        self._strangers: dict[Conversation, float] = {}
        self._counted: set[Conversation] = set()

    async def meet(self, connection: SmtpConnection) -> SmtpSession:
        """The session of a client that has connected; raises HungUp or ValueError when there is none."""
        peer, port = connection.get_peer()
        if is_within(peer, self._manners.proxy_protocol_from):
            peer, port = await connection.read_proxy_header() or (peer, port)
        return SmtpSession(
            id=new_id("ses", self._manners.clock),
            peer=peer,
            port=port,
            local=self._manners.name,
            started_at=self._manners.clock.now(),
            tls=connection.find_tls(),
        )

    def is_counted(self, session: SmtpSession) -> bool:
        return not is_within(session.peer, self._manners.uncounted_networks)

    @contextmanager
    def entered(self, conversation: "Conversation") -> Iterator[None]:
        """It counts among the open ones within this block; raises CloseAfter for one too many."""
        session = conversation.session
        if not self.is_counted(session):
            yield
            return
        self._check_connection(session)
        self._counted.add(conversation)
        self._strangers[conversation] = self._manners.clock.monotonic()
        try:
            yield
        finally:
            self._leave(conversation)

    def check_mail(self, session: SmtpSession) -> SmtpReply | None:
        """Count one more message, or say why there may be none now."""
        if self._rates is None or not self.is_counted(session):
            return None
        if self._rates.is_spent(session.peer, Deed.OCTET):
            return answers.TOO_MUCH_DATA
        return None if self._rates.take(session.peer, Deed.MESSAGE) else answers.TOO_MANY_MESSAGES

    def note_content(self, session: SmtpSession, octets: int) -> None:
        """So much content came in, whatever became of it."""
        if self._rates is not None and self.is_counted(session):
            self._rates.spend(session.peer, Deed.OCTET, octets)

    def note_recipient(self, session: SmtpSession, reply: SmtpReply) -> None:
        """RCPT was answered so; raises CloseAfter when the address has named too many that are not here.

        Other answers do not count: after a MAIL that was refused, each
        recipient that was sent ahead is an error of sequence.
        """
        if self._rates is None or reply.code != _NOT_HERE or not self.is_counted(session):
            return
        self._rates.spend(session.peer, Deed.REFUSED_RECIPIENT, 1)
        if self._rates.is_spent(session.peer, Deed.REFUSED_RECIPIENT):
            raise CloseAfter(answers.TOO_MANY_REFUSED)

    def _check_connection(self, session: SmtpSession) -> None:
        """Count one more connection, or raise CloseAfter."""
        refusal = self._why_not(session)
        if refusal is None and self._counter.lacks_room_for(session.peer):
            self._make_room()
        if refusal is None and not self._counter.enter(session.peer):
            refusal = answers.TOO_MANY_CONNECTIONS
        if refusal is not None:
            log.info("%s turned away %s: %s", session.id, session.peer, refusal)
            self._manners.observer.refused(refusal.code, door=self._manners.name)
            raise CloseAfter(refusal)

    def _why_not(self, session: SmtpSession) -> SmtpReply | None:
        if self._rates is None:
            return None
        if self._rates.is_spent(session.peer, Deed.REFUSED_RECIPIENT):
            return answers.TOO_MANY_REFUSED
        return None if self._rates.take(session.peer, Deed.CONNECTION) else answers.TOO_OFTEN

    def _make_room(self) -> None:
        """Send away the stranger who has been here longest and brought nothing, if that is long."""
        long_ago = self._manners.clock.monotonic() - _WHILE
        for conversation, came_at in list(self._strangers.items()):
            if came_at > long_ago:
                return
            if conversation.is_known:
                del self._strangers[conversation]
            elif not conversation.transaction.is_receiving:
                self._leave(conversation)
                conversation.stop(answers.MAKE_ROOM)
                return

    def _leave(self, conversation: "Conversation") -> None:
        """It counts no more; says nothing of one that does not any more."""
        self._strangers.pop(conversation, None)
        if conversation in self._counted:
            self._counted.remove(conversation)
            self._counter.leave(conversation.session.peer)
