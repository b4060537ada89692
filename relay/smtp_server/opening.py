"""How a session begins: the greeting, for those who wait for it, then HELO or EHLO and what is offered."""

import logging
import re
from typing import TYPE_CHECKING

from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.connection import Interrupted
from relay.smtp_server.patience import CloseAfter

if TYPE_CHECKING:
    from relay.smtp_server.conversation import Conversation

log = logging.getLogger("posthouse.smtp")

_HARMFUL_IN_NAME = re.compile(r"[^!-~]|[()<>@,;\\\"]")


class Opening:
    """The beginning of one conversation."""

    def __init__(self, conversation: "Conversation") -> None:
        self._conversation = conversation

    async def greet(self) -> None:
        """Say 220; raises CloseAfter for a client that the door turns away, or that does not wait."""
        try:
            await self._conversation.door.connected(self._conversation.session)
        except Exception as error:
            raise CloseAfter(as_closing(self._conversation.reply_to_trouble(error))) from error
        await self._check_waits()
        self._conversation.connection.say(f"220 {self._conversation.manners.hostname} ESMTP Posthouse")

    async def ehlo(self, argument: bytes) -> SmtpReply | None:
        """The answer to EHLO, or None when it was given: it has many lines and no enhanced code."""
        if (name := _name_of_client(argument)) is None:
            return answers.BAD_HELLO
        self._hello(name, esmtp=True)
        *lines, last = [self._conversation.manners.hostname, *self._offers()]
        self._conversation.connection.say(*(f"250-{line}" for line in lines), f"250 {last}")
        self._conversation.count(b"EHLO", answers.OK)
        return None

    async def helo(self, argument: bytes) -> SmtpReply | None:
        """The answer to HELO, or None when it was given."""
        if (name := _name_of_client(argument)) is None:
            return answers.BAD_HELLO
        self._hello(name, esmtp=False)
        self._conversation.connection.say(f"250 {self._conversation.manners.hostname}")
        self._conversation.count(b"HELO", answers.OK)
        return None

    def _hello(self, name: str, *, esmtp: bool) -> None:
        self._conversation.transaction.reset()
        self._conversation.session.helo, self._conversation.session.esmtp = name, esmtp

    def _offers(self) -> list[str]:
        session, manners = self._conversation.session, self._conversation.manners
        offers = [f"SIZE {manners.message_size}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
        offers.append("ENHANCEDSTATUSCODES")
        if manners.offers_dsn:
            offers.append("DSN")
        if manners.tls_context is not None and session.tls is None:
            offers.append("STARTTLS")
        if manners.offers_auth(session):
            offers.append("AUTH PLAIN LOGIN")
        return offers

    async def _check_waits(self) -> None:
        """Raise CloseAfter for a client that does not wait for the greeting (RFC 5321 §4.3.1)."""
        delay = self._conversation.manners.greeting_delay
        if not delay or not self._conversation.admission.is_counted(self._conversation.session):
            return
        try:
            await self._conversation.connection.receive(delay.total_seconds())
        except TimeoutError:
            return
        except Interrupted as error:
            raise CloseAfter(self._conversation.ending) from error
        log.info(
            "%s %s speaks before the greeting", self._conversation.session.id, self._conversation.session.peer
        )
        raise CloseAfter(answers.TALKS_EARLY)


def as_closing(reply: SmtpReply) -> SmtpReply:
    """Only 421 and 554 are answers to a connection (RFC 5321 §3.1)."""
    if reply.code in (421, 554):
        return reply
    if reply.is_permanent:
        return SmtpReply(554, reply.enhanced, reply.text)
    return SmtpReply(421, reply.enhanced, reply.text)


def _name_of_client(argument: bytes) -> str | None:
    """What the client calls itself, harmless wherever it is written down; None when it cannot be a name."""
    name = _HARMFUL_IN_NAME.sub("?", argument.decode("latin-1"))
    return name if 0 < len(name) <= 255 else None
