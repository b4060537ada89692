"""One mail transaction on an open connection: MAIL, RCPT for each, DATA, the final dot (RFC 5321 §3.3).

It always comes back with one finding for every recipient, whatever the far
server does; what broke the session is found for all who were still undecided.
Where PIPELINING is offered the commands travel together (RFC 2920), and DATA
goes out before it is known whether anybody will be accepted.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from relay.address import InvalidAddress, NullPath, ReversePath
from relay.delivery.breaks import SessionBroken, puzzled_by
from relay.delivery.classify import classify, is_puzzling, is_yes, wants_another_transaction
from relay.delivery.commands import Command, in_groups, one_by_one, parameters, wire_path, write_line
from relay.delivery.connection import Connection
from relay.delivery.dots import stuffed
from relay.delivery.outcome import Fate, Phase, Reason, Scope, Verdict
from relay.delivery.parcel import Parcel, ParcelRecipient, Wire
from relay.delivery.settings import Timeouts
from relay.errors import Refusal
from relay.failpoints import ARMED, reach
from relay.replies import TEMPORARY_FAULT, SmtpReply

_log = logging.getLogger(__name__)
_NO_UTF8 = SmtpReply(553, "5.6.7", "The receiving server does not offer SMTPUTF8")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one transaction found out about one recipient."""

    recipient: ParcelRecipient
    verdict: Verdict
    reply: SmtpReply
    phase: Phase
    ambiguous: bool = False


class Transaction:
    """One run through the commands for some of a parcel's recipients."""

    def __init__(
        self,
        connection: Connection,
        parcel: Parcel,
        recipients: Sequence[ParcelRecipient],
        timeouts: Timeouts,
        *,
        resets: bool = False,
    ) -> None:
        """`resets`: begin with RSET, since the connection was used before."""
        self._connection = connection
        self._parcel = parcel
        self._undecided = {recipient.id: recipient for recipient in recipients}
        self._timeouts = timeouts
        self._wire = parcel.wire
        self._findings: list[Finding] = []
        self._has_accepted = False
        self._may_send = False
        self._resets = resets
        self.is_stale = False
        self.left_over: list[Finding] = []

    async def run(self) -> list[Finding]:
        """A finding for every recipient except those in `left_over`.

        `left_over` holds the findings of those for whom this transaction was
        full: they should get one of their own on the same connection. Nothing
        is found out when the transaction `is_stale`: RSET was not answered as
        it should be, so the connection had ended before it was used again.
        """
        try:
            await self._converse()
        except SessionBroken as broken:
            if broken.phase is Phase.RESET:
                self.is_stale = True
                return []
            verdict = Verdict(Fate.DEFERRED, Scope.SESSION, classify(broken.phase, broken.reply).reason)
            self._find_all(verdict, broken.reply, broken.phase, ambiguous=broken.ambiguous)
        except Refusal as refusal:
            # Raised by the conversion for servers without 8BITMIME.
            self._connection.abort()
            fate = Fate.BOUNCED if refusal.reply.is_permanent else Fate.DEFERRED
            self._find_all(Verdict(fate, Scope.MESSAGE), refusal.reply, Phase.MAIL)
        except Exception:
            # A fault of ours: nobody's mail bounces for it.
            _log.exception("delivery of %s to %s failed", self._parcel.message_id, self._parcel.destination)
            self._connection.abort()
            self._find_all(Verdict(Fate.DEFERRED, Scope.MESSAGE), TEMPORARY_FAULT, Phase.MAIL)
        return self._findings

    async def _converse(self) -> None:
        if not self._fits():
            return
        self._wire = await self._fitting_wire()
        split = in_groups if self._connection.pipelines else one_by_one
        for group in split(list(self._commands())):
            if not self._undecided:
                return
            await self._exchange(group)
        if self._may_send:
            await (self._content() if self._undecided else self._send_nothing())

    def _fits(self) -> bool:
        """What the server can be known not to take is settled before a word is said."""
        connection, parcel = self._connection, self._parcel
        if not connection.offers("smtputf8"):
            if parcel.needs_utf8 or _needs_utf8(parcel.reverse_path):
                return self._refuse_all(Phase.MAIL, _NO_UTF8)
            for recipient in list(self._undecided.values()):
                if recipient.address.needs_utf8:
                    self._find(recipient, Phase.RECIPIENT, _NO_UTF8)
        limit = connection.size_limit
        if limit is not None and self._wire.size > limit:
            text = f"{self._wire.size} octets are more than the {limit} that {connection.hop.host} takes"
            return self._refuse_all(Phase.MAIL, SmtpReply(552, "5.3.4", text))
        return bool(self._undecided)

    def _commands(self) -> Iterator[Command]:
        if self._resets:
            yield Command(Phase.RESET, b"RSET", self._timeouts.reset)
        yield Command(Phase.MAIL, self._mail_line(), self._timeouts.mail)
        for recipient in list(self._undecided.values()):
            line = self._recipient_line(recipient)
            if line is not None:
                yield Command(Phase.RECIPIENT, line, self._timeouts.recipient, recipient.id)
        yield Command(Phase.DATA, b"DATA", self._timeouts.data)

    def _mail_line(self) -> bytes:
        connection, parcel = self._connection, self._parcel
        words = [f"MAIL FROM:{wire_path(parcel.reverse_path)}"]
        if connection.offers("size"):
            words.append(f"SIZE={self._wire.size}")
        if connection.offers("8bitmime") and self._wire.is_8bit:
            words.append("BODY=8BITMIME")
        if self._uses_utf8():
            words.append("SMTPUTF8")
        if connection.offers("dsn"):
            words += parameters(RET=parcel.ret, ENVID=parcel.envid)
        return write_line(*words)

    def _recipient_line(self, recipient: ParcelRecipient) -> bytes | None:
        try:
            words = [f"RCPT TO:{wire_path(recipient.address)}"]
        except InvalidAddress as error:
            # Damaged since it was accepted: ours to look at, and no harm to the others.
            _log.error("recipient %s of %s: %s", recipient.id, self._parcel.message_id, error)
            self._find(recipient, Phase.RECIPIENT, TEMPORARY_FAULT)
            return None
        if self._connection.offers("dsn"):
            words += parameters(NOTIFY=recipient.notify, ORCPT=recipient.orcpt)
        return write_line(*words)

    async def _fitting_wire(self) -> Wire:
        wire = self._parcel.wire
        if not wire.is_8bit or self._connection.offers("8bitmime"):
            return wire
        self._connection.trail.note("the server does not offer 8BITMIME: sending the 7-bit copy")
        return await self._parcel.seven_bit()

    def _uses_utf8(self) -> bool:
        addresses = (recipient.address for recipient in self._undecided.values())
        return (
            self._parcel.needs_utf8
            or _needs_utf8(self._parcel.reverse_path)
            or any(address.needs_utf8 for address in addresses)
        )

    async def _exchange(self, group: Sequence[Command]) -> None:
        """Send the commands and take every reply to heart, also those before a break."""
        try:
            replies: Sequence[SmtpReply] = await self._connection.together(group)
        except SessionBroken as broken:
            self._read(group, broken.before)
            raise
        self._read(group, replies)

    def _read(self, group: Sequence[Command], replies: Sequence[SmtpReply]) -> None:
        """Once MAIL is refused, what is answered to the rest of the group means nothing."""
        for command, reply in zip(group, replies, strict=False):
            if command.recipient_id is not None:
                self._read_recipient(command.recipient_id, reply)
            elif command.phase is Phase.DATA and reply.code == 354:
                self._may_send = True
            elif self._undecided and not is_yes(command.phase, reply):
                self._check_session(command.phase, reply)
                self._refuse_all(command.phase, reply)

    def _read_recipient(self, recipient_id: int, reply: SmtpReply) -> None:
        recipient = self._undecided.get(recipient_id)
        if is_yes(Phase.RECIPIENT, reply):
            self._has_accepted = True
            if ARMED:
                reach("delivery.recipient")
        elif recipient is not None:
            self._check_session(Phase.RECIPIENT, reply)
            self._find(recipient, Phase.RECIPIENT, reply)
            if wants_another_transaction(reply) and self._has_accepted:
                self.left_over.append(self._findings.pop())

    async def _content(self) -> None:
        reply = await self._connection.send_content(stuffed(self._wire), self._wire.size)
        self._check_session(Phase.FINAL_DOT, reply)
        self._refuse_all(Phase.FINAL_DOT, reply)

    async def _send_nothing(self) -> None:
        """End content that the server waits for though nobody is to get it (RFC 2920 §3.1).

        Whatever it answers, nothing was delivered. If MAIL was refused and a
        recipient taken nevertheless, not even an empty message is sent.
        """
        if self._has_accepted:
            self._connection.abort()
            return
        reply = await self._connection.command(Phase.FINAL_DOT, b".", self._timeouts.reset)
        if reply.code == 421 or is_puzzling(Phase.FINAL_DOT, reply):
            self._connection.abort()

    def _check_session(self, phase: Phase, reply: SmtpReply) -> None:
        """A reply that concerns the session, or that has no meaning here, ends the conversation."""
        if is_yes(phase, reply) or classify(phase, reply).scope is not Scope.SESSION:
            return
        self._connection.abort()
        broken = SessionBroken(phase, puzzled_by(reply) if reply.code < 400 else reply)
        broken.ambiguous = phase is Phase.FINAL_DOT and reply.code < 400
        raise broken

    def _refuse_all(self, phase: Phase, reply: SmtpReply) -> bool:
        verdict = classify(phase, reply)
        # "No such user" behind the final dot does not say which of several.
        if verdict.reason is Reason.NO_SUCH_MAILBOX and len(self._undecided) > 1:
            verdict = replace(verdict, reason=Reason.UNKNOWN)
        self._find_all(verdict, reply, phase)
        return False

    def _find_all(self, verdict: Verdict, reply: SmtpReply, phase: Phase, *, ambiguous: bool = False) -> None:
        self._findings += [
            Finding(recipient, verdict, reply, phase, ambiguous) for recipient in self._undecided.values()
        ]
        self._undecided.clear()

    def _find(self, recipient: ParcelRecipient, phase: Phase, reply: SmtpReply) -> None:
        del self._undecided[recipient.id]
        self._findings.append(Finding(recipient, classify(phase, reply), reply, phase))


def _needs_utf8(path: ReversePath) -> bool:
    return not isinstance(path, NullPath) and path.needs_utf8
