"""MAIL, RCPT and DATA: one mail transaction after the other (RFC 5321 §3.3, §4.1.1.2-4).

However DATA ends, the transaction is over. Once the final dot has come, the
message belongs to a task of its own, which a client that hangs up does not
touch: the reply may be lost, but a message is never half stored.
"""

import asyncio
import errno
import logging
from typing import TYPE_CHECKING

from relay.failpoints import ARMED, reach
from relay.message.content import TOO_LARGE as CONTENT_TOO_LARGE
from relay.message.content import ContentWriter
from relay.message.envelope import Envelope
from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.connection import Interrupted
from relay.smtp_server.parameters import read_mail, read_rcpt
from relay.smtp_server.patience import CloseAfter

if TYPE_CHECKING:
    from relay.smtp_server.conversation import Conversation

log = logging.getLogger("posthouse.smtp")

_OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

CommitTasks = set["asyncio.Task[SmtpReply]"]


class Transaction:
    """The mail transactions of one conversation; `envelope` is None between them."""

    def __init__(self, conversation: "Conversation", commits: CommitTasks) -> None:
        self._conversation = conversation
        self._commits = commits
        self.envelope: Envelope | None = None
        self.is_receiving = False

    def reset(self) -> None:
        """Forget the transaction under way."""
        self.envelope = None

    async def mail(self, argument: bytes) -> SmtpReply:
        """The answer to MAIL; a transaction is open when it is positive."""
        session, manners = self._conversation.session, self._conversation.manners
        if not session.helo:
            return answers.SAY_HELLO_FIRST
        if manners.requires_auth(session) and session.login is None:
            return answers.AUTH_REQUIRED if manners.offers_auth(session) else answers.TLS_REQUIRED
        if self.envelope is not None:
            return answers.MAIL_TWICE
        if argument[:5].upper() != b"FROM:":
            return answers.BAD_MAIL
        envelope = read_mail(argument[5:], offers_dsn=manners.offers_dsn)
        if (envelope.declared_size or 0) > manners.message_size:
            return CONTENT_TOO_LARGE
        if (refusal := self._conversation.admission.check_mail(session)) is not None:
            return refusal
        await self._conversation.door.mail(session, envelope)
        self.envelope = envelope
        if ARMED:
            reach("smtp.mail")
        return answers.SENDER_OK

    async def rcpt(self, argument: bytes) -> SmtpReply:
        """The answer to RCPT; the envelope has one recipient more when it is positive."""
        session, manners = self._conversation.session, self._conversation.manners
        if (envelope := self.envelope) is None:
            return answers.MAIL_FIRST
        if argument[:3].upper() != b"TO:":
            return answers.BAD_RCPT
        if len(envelope.recipients) >= manners.recipients_per_message:
            return answers.TOO_MANY_RECIPIENTS
        recipient = read_rcpt(argument[3:], smtputf8=envelope.smtputf8, offers_dsn=manners.offers_dsn)
        await self._conversation.door.recipient(session, envelope, recipient)
        envelope.recipients.append(recipient)
        return answers.RECIPIENT_OK

    async def data(self, argument: bytes) -> SmtpReply:
        """The answer to DATA and its content."""
        if argument:
            return answers.NO_ARGUMENT_WANTED
        if (envelope := self.envelope) is None:
            return answers.MAIL_FIRST
        if not envelope.recipients:
            return answers.NO_VALID_RECIPIENTS
        try:
            return await self._take(envelope)
        finally:
            self.reset()

    async def _take(self, envelope: Envelope) -> SmtpReply:
        writer = self._new_writer(envelope)
        self._conversation.connection.say("354 End data with <CR><LF>.<CR><LF>")
        try:
            trouble = await self._receive(writer)
        except BaseException:
            writer.discard()
            raise
        if trouble is not None:
            writer.discard()
            return self._reply_to(trouble)
        reply = await self._commit(envelope, writer)
        if reply.is_positive:
            self._conversation.patience.renew()
        return reply

    def _new_writer(self, envelope: Envelope) -> ContentWriter:
        manners = self._conversation.manners
        return ContentWriter(
            manners.spool,
            size_limit=manners.message_size,
            memory_limit=manners.memory_limit,
            header_limit=manners.header_limit,
            fix_bare_lf=self._conversation.door.fixes_bare_lf(self._conversation.session, envelope),
        )

    async def _receive(self, writer: ContentWriter) -> Exception | None:
        """Read up to the final dot, and return why the message cannot be taken.

        A refused message is read on to its end: only then does the client
        listen. Nothing of it is kept.
        """
        trouble: Exception | None = None
        octets, patience = 0, self._conversation.patience
        self.is_receiving = True
        try:
            async for piece in self._conversation.inlet.content(patience.for_content()):
                octets += len(piece)
                if ARMED:
                    reach("smtp.content")
                if trouble is None:
                    try:
                        writer.feed(piece)
                    except Exception as error:
                        trouble = error
                        writer.discard()
        except (TimeoutError, Interrupted) as error:
            raise CloseAfter(answers.TIMED_OUT) from error
        finally:
            self.is_receiving = False
            self._conversation.admission.note_content(self._conversation.session, octets)
        return trouble

    async def _commit(self, envelope: Envelope, writer: ContentWriter) -> SmtpReply:
        if ARMED:
            reach("smtp.dot")
        task = asyncio.create_task(self._deliver(envelope, writer))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return await asyncio.shield(task)

    async def _deliver(self, envelope: Envelope, writer: ContentWriter) -> SmtpReply:
        session = self._conversation.session
        try:
            finish = writer.finish
            content = await asyncio.to_thread(finish) if writer.is_on_disk else finish()
            reply = await self._conversation.door.content(session, envelope, content)
            log.debug("%s content of %d octets: %s", session.id, content.size, reply)
            if ARMED:
                reach("smtp.committed")
            return reply
        except Exception as error:
            return self._reply_to(error)
        finally:
            writer.discard()

    def _reply_to(self, trouble: Exception) -> SmtpReply:
        if isinstance(trouble, OSError) and trouble.errno in _OUT_OF_SPACE:
            log.warning("%s no room for content: %s", self._conversation.session.id, trouble)
            return answers.NO_SPACE
        return self._conversation.reply_to_trouble(trouble)
