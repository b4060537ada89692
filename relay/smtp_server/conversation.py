"""One SMTP session from its greeting to its end: which command may come when, and how patient we are.

RFC 5321 §4.1. The connection below only carries octets; what MAIL, RCPT,
DATA and AUTH mean is in `transaction` and `authentication`.
"""

import logging
import re
from collections.abc import Awaitable, Callable

from relay.errors import Refusal, StoreUnavailable
from relay.failpoints import ARMED, reach_soon
from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.admission import Admission
from relay.smtp_server.authentication import Authentication
from relay.smtp_server.connection import HungUp, Interrupted, SmtpConnection
from relay.smtp_server.door import SmtpDoor
from relay.smtp_server.inlet import BadLine, Inlet
from relay.smtp_server.manners import SmtpManners
from relay.smtp_server.opening import Opening, as_closing
from relay.smtp_server.patience import CloseAfter, Patience
from relay.smtp_server.session import SmtpSession
from relay.smtp_server.transaction import CommitTasks, Transaction

log = logging.getLogger("posthouse.smtp")

COMMAND_LIMIT = 4096
AUTH_LIMIT = 12288  # RFC 4954 §4

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# What browsers say, what a mail header looks like, and content that follows a
# command which we did not offer: it must not be read as commands.
_NOT_SMTP = re.compile(
    rb"(?:(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI|PROXY|BDAT)(?: |\Z)|[!-9;-~]+:)", re.I
)

Command = Callable[[bytes], Awaitable[SmtpReply | None]]


class Conversation:
    """Runs once over a connection; `run` returns when the connection is to be closed."""

    def __init__(
        self,
        connection: SmtpConnection,
        door: SmtpDoor,
        manners: SmtpManners,
        admission: Admission,
        commits: CommitTasks,
    ) -> None:
        self.connection = connection
        self.door = door
        self.manners = manners
        self.inlet = Inlet(connection.receive)
        self.admission = admission
        self._ending: SmtpReply | None = None
        self._session: SmtpSession | None = None
        self.patience = Patience(manners)
        self.transaction = Transaction(self, commits)
        self._opening = Opening(self)
        self._authentication = Authentication(self)
        self._commands_known: dict[bytes, Command] = {
            b"EHLO": self._opening.ehlo,
            b"HELO": self._opening.helo,
            b"MAIL": self.transaction.mail,
            b"RCPT": self.transaction.rcpt,
            b"DATA": self.transaction.data,
            b"RSET": self._rset,
            b"AUTH": self._authentication.auth,
            b"STARTTLS": self._starttls,
            b"NOOP": self._noop,
            b"VRFY": self._vrfy,
            b"EXPN": self._expn,
            b"HELP": self._help,
            b"QUIT": self._quit,
        }

    @property
    def session(self) -> SmtpSession:
        """The session; there is one as soon as the client's address is known."""
        if self._session is None:
            raise RuntimeError("nobody is here yet")
        return self._session

    @property
    def has_session(self) -> bool:
        return self._session is not None

    @property
    def is_known(self) -> bool:
        """Whether the client has logged in or handed in mail."""
        return self.session.login is not None or self.patience.is_renewed

    @property
    def ending(self) -> SmtpReply:
        """What is said when a wait is cut short."""
        return self._ending or answers.SHUTTING_DOWN

    async def run(self) -> None:
        """Speak with the client until either side has had enough."""
        try:
            self._session = await self.admission.meet(self.connection)
        except (HungUp, Interrupted, ValueError):
            return
        try:
            with self.admission.entered(self):
                await self._speak()
        except CloseAfter as ending:
            self.connection.reply(ending.reply)

    def stop(self, reply: SmtpReply) -> None:
        """End with `reply` when the client next waits; content under way comes in first."""
        self._ending = reply
        if not self.transaction.is_receiving:
            self.connection.interrupt()

    def turn_away(self, reply: SmtpReply) -> None:
        """Say `reply` instead of the greeting."""
        self._ending = reply

    async def read_line(self, *, is_response: bool = False) -> bytes:
        """The next line of the client; raises CloseAfter or HungUp."""
        if self._ending is not None:
            raise CloseAfter(self._ending)
        limit = AUTH_LIMIT if is_response else COMMAND_LIMIT
        try:
            return await self.inlet.line(self.patience.for_line(), limit, AUTH_LIMIT)
        except BadLine as error:
            raise CloseAfter(SmtpReply(500, "5.5.2", str(error))) from error
        except TimeoutError as error:
            raise CloseAfter(answers.TIMED_OUT) from error
        except Interrupted as error:
            raise CloseAfter(self.ending) from error

    def reply_to_trouble(self, error: Exception) -> SmtpReply:
        """What the client hears of an exception; ours are logged, and tell nothing."""
        if isinstance(error, Refusal):
            log.info("%s refused: %s", self.session.id, error)
            return error.reply
        if isinstance(error, StoreUnavailable):
            log.warning("%s store unavailable: %s", self.session.id, error)
            return error.reply
        log.error("%s fault of ours", self.session.id, exc_info=error)
        return answers.fault(self.session.id)

    async def _speak(self) -> None:
        log.debug("%s connected from %s:%d", self.session.id, self.session.peer, self.session.port)
        self.manners.observer.session_opened(self.manners.name)
        self.patience.begin()
        try:
            if self._ending is not None:
                raise CloseAfter(self._ending)
            await self._opening.greet()
            while True:
                await self._serve(await self.read_line())
        except CloseAfter as ending:
            log.debug("%s closing: %s", self.session.id, ending.reply)
            self.connection.reply(ending.reply)
        except HungUp:
            pass
        except Exception as error:
            self.connection.reply(as_closing(self.reply_to_trouble(error)))
        finally:
            self.transaction.reset()
            self.manners.observer.session_closed(self.manners.name)
            log.debug("%s closed", self.session.id)

    async def _serve(self, line: bytes) -> None:
        """Answer one command, and close when there have been too many bad ones."""
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if _NOT_SMTP.match(line):
            raise CloseAfter(answers.NOT_SMTP)
        reply = await self._answer(verb, argument, line)
        if reply is not None:
            self.connection.reply(reply)
            if ARMED and verb == b"DATA" and reply.is_positive:
                reach_soon("smtp.replied")
            self.count(verb, reply)

    async def _answer(self, verb: bytes, argument: bytes, line: bytes) -> SmtpReply | None:
        if _CONTROL.search(line):
            return answers.BAD_CHARACTERS
        command = self._commands_known.get(verb)
        if command is None:
            return answers.UNKNOWN_COMMAND
        try:
            return await command(argument.strip(b" "))
        except (CloseAfter, HungUp):
            raise
        except Exception as error:
            return self.reply_to_trouble(error)

    def count(self, verb: bytes, reply: SmtpReply) -> None:
        """Count one command and its answer; raises CloseAfter when it was one too many."""
        if not reply.is_positive:
            self.manners.observer.refused(reply.code, door=self.manners.name)
        is_known = self.session.login is not None or not self.admission.is_counted(self.session)
        self.patience.count(verb, reply, is_known=is_known)
        if verb == b"RCPT":
            self.admission.note_recipient(self.session, reply)

    async def _starttls(self, argument: bytes) -> SmtpReply | None:
        if argument:
            return answers.NO_ARGUMENT_WANTED
        if self.session.tls is not None:
            return answers.TLS_ALREADY
        if self.manners.tls_context is None:
            return answers.NOT_OFFERED
        self.connection.reply(answers.READY_FOR_TLS)
        self.inlet.clear()
        try:
            await self.connection.start_tls(
                self.manners.tls_context, self.manners.handshake_timeout.total_seconds()
            )
        except HungUp:
            log.info("%s TLS handshake failed", self.session.id)
            raise
        self._begin_anew()
        return None

    def _begin_anew(self) -> None:
        """RFC 3207 §4.2: what was said before the handshake was never said."""
        self.transaction.reset()
        self.session.helo, self.session.esmtp = "", False
        self.session.credential = self.session.login = None
        self.session.tls = self.connection.find_tls()
        self.inlet.clear()
        log.debug("%s under %s", self.session.id, self.session.tls)

    async def _rset(self, argument: bytes) -> SmtpReply:
        if argument:
            return answers.NO_ARGUMENT_WANTED
        self.transaction.reset()
        return answers.OK

    async def _noop(self, argument: bytes) -> SmtpReply:
        return answers.OK

    async def _vrfy(self, argument: bytes) -> SmtpReply:
        return answers.CANNOT_VERIFY

    async def _expn(self, argument: bytes) -> SmtpReply:
        return answers.NOT_OFFERED

    async def _help(self, argument: bytes) -> SmtpReply:
        return answers.HELP

    async def _quit(self, argument: bytes) -> SmtpReply:
        if argument:
            return answers.NO_ARGUMENT_WANTED
        raise CloseAfter(answers.BYE)
