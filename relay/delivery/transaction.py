"""One mail transaction on an open connection: MAIL, RCPT for each, DATA, the final dot (RFC 5321 §3.3).

It always comes back with one finding for every recipient, whatever the far
server does; what broke the session is found for all who were still undecided.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from relay.address import InvalidAddress, NullPath, ReversePath, parse_reverse_path
from relay.delivery.breaks import SessionBroken, puzzled_by
from relay.delivery.classify import classify, is_yes, wants_another_transaction
from relay.delivery.connection import Connection
from relay.delivery.dots import stuffed
from relay.delivery.outcome import Fate, Phase, Reason, Scope, Verdict
from relay.delivery.parcel import Parcel, ParcelRecipient, Wire
from relay.delivery.settings import Timeouts
from relay.errors import Refusal
from relay.replies import TEMPORARY_FAULT, SmtpReply

_log = logging.getLogger(__name__)
_ESMTP_VALUE = re.compile(r"[!-<>-~]+\Z")

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
    ) -> None:
        self._connection = connection
        self._parcel = parcel
        self._undecided = {recipient.id: recipient for recipient in recipients}
        self._timeouts = timeouts
        self._wire = parcel.wire
        self._findings: list[Finding] = []
        self._has_accepted = False
        self.left_over: list[Finding] = []

    async def run(self) -> list[Finding]:
        """A finding for every recipient except those in `left_over`.

        `left_over` holds the findings of those for whom this transaction was
        full: they should get one of their own on the same connection.
        """
        try:
            await self._converse()
        except SessionBroken as broken:
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
        if not self._fits() or not await self._mail():
            return
        for recipient in list(self._undecided.values()):
            await self._recipient(recipient)
        if self._undecided and await self._data():
            await self._content()

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

    async def _mail(self) -> bool:
        connection, parcel = self._connection, self._parcel
        self._wire = await self._fitting_wire()
        words = [f"MAIL FROM:{wire_path(parcel.reverse_path)}"]
        if connection.offers("size"):
            words.append(f"SIZE={self._wire.size}")
        if connection.offers("8bitmime") and self._wire.is_8bit:
            words.append("BODY=8BITMIME")
        if self._uses_utf8():
            words.append("SMTPUTF8")
        if connection.offers("dsn"):
            words += _parameters(RET=parcel.ret, ENVID=parcel.envid)
        reply = await self._say(Phase.MAIL, " ".join(words), self._timeouts.mail)
        return is_yes(Phase.MAIL, reply) or self._refuse_all(Phase.MAIL, reply)

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

    async def _recipient(self, recipient: ParcelRecipient) -> None:
        try:
            words = [f"RCPT TO:{wire_path(recipient.address)}"]
        except InvalidAddress as error:
            # Damaged since it was accepted: ours to look at, and no harm to the others.
            _log.error("recipient %s of %s: %s", recipient.id, self._parcel.message_id, error)
            self._find(recipient, Phase.RECIPIENT, TEMPORARY_FAULT)
            return
        if self._connection.offers("dsn"):
            words += _parameters(NOTIFY=recipient.notify, ORCPT=recipient.orcpt)
        reply = await self._say(
            Phase.RECIPIENT, " ".join(words), self._timeouts.recipient, recipient_id=recipient.id
        )
        if is_yes(Phase.RECIPIENT, reply):
            self._has_accepted = True
            return
        self._find(recipient, Phase.RECIPIENT, reply)
        if wants_another_transaction(reply) and self._has_accepted:
            self.left_over.append(self._findings.pop())

    async def _data(self) -> bool:
        reply = await self._say(Phase.DATA, "DATA", self._timeouts.data)
        return reply.code == 354 or self._refuse_all(Phase.DATA, reply)

    async def _content(self) -> None:
        reply = await self._connection.send_content(stuffed(self._wire), self._wire.size)
        self._check_session(Phase.FINAL_DOT, reply)
        self._refuse_all(Phase.FINAL_DOT, reply)

    async def _say(
        self, phase: Phase, line: str, timeout: float, recipient_id: int | None = None
    ) -> SmtpReply:
        reply = await self._connection.command(
            phase, line.encode("utf-8"), timeout, recipient_id=recipient_id
        )
        self._check_session(phase, reply)
        return reply

    def _check_session(self, phase: Phase, reply: SmtpReply) -> None:
        """A reply that concerns the session, or that has no meaning here, ends the conversation."""
        expected = reply.code == 354 if phase is Phase.DATA else is_yes(phase, reply)
        if expected or classify(phase, reply).scope is not Scope.SESSION:
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


def wire_path(path: ReversePath) -> str:
    """The path as it goes out, read back by the strict parser: what it says is what was meant.

    Raises InvalidAddress when the two differ, so that nothing is sent.
    """
    text = f"<{path}>"
    if parse_reverse_path(text, allow_utf8=True) != path:
        raise InvalidAddress(f"{text!r} reads back as another address")
    return text


def _needs_utf8(path: ReversePath) -> bool:
    return not isinstance(path, NullPath) and path.needs_utf8


def _parameters(**values: str | None) -> list[str]:
    """ESMTP parameters with a value that may stand in a command (RFC 5321 §4.1.2 esmtp-value)."""
    return [f"{key}={value}" for key, value in values.items() if value and _ESMTP_VALUE.match(value)]
