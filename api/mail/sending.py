"""Hand a composed message to `accept`, with its letter and the answer to the request: all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from api.call import Call
from api.mail.composing import Composed, compose_letter
from api.mail.loops import check_pace
from api.mail.outgoing import Outgoing, recipients_of
from api.mail.shapes import MessageShape
from api.mail.showing import shape_of, show, with_text
from api.once import Once
from inbound.composed import file_composed
from inbound.letters import records
from inbound.letters.letter import Letter, Match
from relay.clock import Clock
from relay.events import log
from relay.events.log import Event
from relay.guards.onlooker import Written
from relay.message.content import ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.submission.draft import Draft, Errand, Rehearsed

HELD = 202  # taken on, and waiting for somebody to approve it


class Extra:
    """What else is done in the transaction that takes the message; subclasses say what."""

    async def do(self, tx: Transaction, message: Message) -> None:
        """May raise: then nothing is sent."""


async def send(
    call: Call, outgoing: Outgoing, extra: Extra | None = None, *, rehearsal: list[Event] | None = None
) -> MessageShape:
    """Take the message on; returns it as it stands. The letter is in its thread when this returns.

    With a `rehearsal` all is decided and nothing kept; it is given what the log would have said.

    Raises Problem (422, where nobody is left to send to as well; 413), a
    Refusal of `accept`, StoreUnavailable, what `extra` raises; Replayed for a
    request that was answered before.
    """
    envelope = envelope_of(call, outgoing)
    writer = writer_of(call)
    try:
        composed = await compose_letter(call, outgoing, writer)
        envelope.smtputf8 = composed.needs_utf8
        sending = _Sending(
            call.once,
            call.house.clock,
            composed,
            outgoing.answers,
            extra,
            rehearsal,
            call.house.config.limits.replies_per_thread_per_hour,
        )
        draft = draft_of(call, outgoing, envelope, composed, sending, refuses_suppressed=True)
        accepted = await call.house.acceptor.accept(draft)
    except Rehearsed:
        assert sending.answer is not None
        return sending.answer
    finally:
        writer.discard()
    call.house.watch.nudge()
    if sending.answer is not None:
        return sending.answer
    known = await records.find(call.house.db, accepted.message_id)
    assert known is not None
    answer = await show(call.house.db, known)
    if answer.status == State.HELD:
        call.once.status = HELD
    return answer


@dataclass(slots=True)
class _Sending:
    """The errand of one request: its letter, the answer under its key, and what else belongs to it.

    With rotation another mailbox of the pool may be the one that sends: the
    letter is in that one, where answers come, and begins a conversation there.
    """

    once: Once
    clock: Clock
    composed: Composed
    answers: Letter | None
    extra: Extra | None
    rehearsal: list[Event] | None
    most_replies: int
    answer: MessageShape | None = None

    async def begin(self, tx: Transaction) -> None:
        await self.once.begin(tx)
        if self.answers is not None:
            await check_pace(tx, self.clock, self.answers, self.most_replies)

    async def finish(self, tx: Transaction, message: Message, recipients: Sequence[QueuedRecipient]) -> None:
        text, letter, answers = self.composed.text, self.composed.letter, self.answers
        if message.mailbox_id and message.mailbox_id != letter.mailbox_id:
            letter, answers = replace(letter, mailbox_id=message.mailbox_id, match=Match()), None
        letter = await file_composed(tx, self.clock, letter, text, answers)
        if self.extra is not None:
            await self.extra.do(tx, message)
        self.answer = with_text(shape_of(letter, message, recipients), text)
        if self.answer.status == State.HELD:
            self.once.status = HELD
        if self.rehearsal is not None:
            self.rehearsal[:] = await log.of_message(tx, message.id)
            raise Rehearsed("nothing is sent")
        await self.once.keep(tx, self.answer)


def envelope_of(call: Call, outgoing: Outgoing) -> Envelope:
    """Whom it goes to; raises Problem (422)."""
    most = call.house.config.limits.recipients_per_message
    recipients = [EnvelopeRecipient(each) for each in recipients_of(outgoing, most)]
    return Envelope(reverse_path=outgoing.mailbox.address, recipients=recipients)


def writer_of(call: Call) -> ContentWriter:
    """Where one message is written; to be discarded once it is taken or refused."""
    limits = call.house.config.limits
    return ContentWriter(
        call.house.station.shelf.incoming, size_limit=limits.message_size, header_limit=limits.header_size
    )


def draft_of(
    call: Call,
    outgoing: Outgoing,
    envelope: Envelope,
    composed: Composed,
    errand: Errand,
    *,
    batch_id: str | None = None,
    refuses_suppressed: bool = False,
) -> Draft:
    """What is offered to `accept`."""
    key = call.caller.key
    return Draft(
        tenant_id=call.tenant_id,
        mailbox=outgoing.mailbox,
        envelope=envelope,
        content=composed.content,
        origin=Origin(source="api", protocol="HTTP", login=key.id, session_id=call.request_id),
        id=composed.letter.message_id,
        wishes=outgoing.wishes if batch_id is None else replace(outgoing.wishes, batch_id=batch_id),
        is_test=call.caller.mode == "test",
        refuses_suppressed=refuses_suppressed,
        errand=errand,
        written=_written(outgoing, composed),
        answers=outgoing.answers.message_id if outgoing.answers else None,
        key_guards=key.guards,
    )


def _written(outgoing: Outgoing, composed: Composed) -> Written:
    """The author's words: a footer too, where it is not the operator's."""
    words = [composed.text.text, outgoing.marks.footer.text if outgoing.marks.own_footer else ""]
    return Written("\n".join(filter(None, words)), composed.text.html)
