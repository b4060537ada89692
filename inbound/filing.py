"""Write down what a reading gave: the letter in its thread, and what follows from it, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from inbound import approving, arrivals, bounces, complaints, unsubscribes
from inbound.classify import Kind
from inbound.composed import put_all, put_beside
from inbound.letters import records, threads
from inbound.letters.letter import Letter, Match, People, Standing
from inbound.letters.texts import Text
from inbound.opening import Opened, author_of
from inbound.reading.parsed import Parsed
from inbound.threading import Found, thread_index_root
from relay.address import InvalidAddress, parse_address
from relay.clock import Clock
from relay.errors import PosthouseError
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id, new_number
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.tenants import bounce_address
from relay.tracking import leaving

PREVIEW = 200
SUBJECT_KEPT = 500
SENT = "sent"

_TOLD_AS: dict[Standing, EventKind] = {
    "accepted": EventKind.MESSAGE_RECEIVED,
    "blocked": EventKind.MESSAGE_BLOCKED,
    "quarantined": EventKind.MESSAGE_QUARANTINED,
}


class ReportTooEarly(PosthouseError):
    """A far server reports on mail of which our own attempt is not settled yet; it is worth another look."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Mail that went out, as it was read."""

    message: Message
    parsed: Parsed
    text: Text


@dataclass(frozen=True, slots=True)
class Filing:
    """Each method is one transaction's work."""

    clock: Clock
    secret: bytes
    unsubscribe_secret: bytes

    async def received(self, tx: Transaction, opened: Opened) -> Letter | None:
        """A letter for an arrival, with what it reports and its events; None if it has one already.

        The answer of an approver is none: it is recorded, and that is all.
        """
        if not await arrivals.finish(tx, opened.message.id):
            return None
        if held := approving.held_message_of(opened.arrival.recipient, self.secret):
            await approving.record_answer(tx, self.clock, opened, held)
            return None
        letter = self._letter(opened.message, opened.parsed, opened.text, opened.found)
        letter = replace(
            letter,
            kind=opened.classified.kind.value,
            automatic=opened.classified.automatic,
            evidence=opened.classified.evidence,
            intent=opened.intent,
            standing=opened.standing,
            authentication=opened.authentication,
            screening=opened.arrival.screening,
            labels=() if opened.standing == "accepted" else (opened.standing,),
        )
        letter = await self._put(tx, letter, opened.text, opened.found)
        await self._tell(tx, opened, letter)
        await self._leave(tx, opened)
        if opened.standing == "accepted":
            await self._follow(tx, opened, letter)
        return letter

    async def sent(
        self, tx: Transaction, message: Message, parsed: Parsed, text: Text, found: Found | None
    ) -> Letter | None:
        """A letter for mail that went out over SMTP; None if it has one already."""
        if await records.find(tx, message.id) is not None:
            return None
        return await self._put(tx, self._letter(message, parsed, text, found), text, found)

    async def sent_apart(self, tx: Transaction, sent: Sequence[Sent]) -> None:
        """Letters for mail that went out over SMTP and begins conversations, where they have none yet."""
        known = await records.known(tx, [each.message.id for each in sent])
        letters = [
            (
                self._letter(each.message, each.parsed, each.text, None, new_id("thr", self.clock)),
                each.text,
            )
            for each in sent
            if each.message.id not in known
        ]
        await threads.begin_with_one(tx, [letter for letter, _ in letters])
        await put_all(tx, letters)

    def _letter(
        self, message: Message, parsed: Parsed, text: Text, found: Found | None, thread_id: str = ""
    ) -> Letter:
        return Letter(
            number=new_number(self.clock),
            message_id=message.id,
            tenant_id=message.tenant_id,
            mailbox_id=message.mailbox_id or "",
            thread_id=thread_id,
            direction=message.direction,
            at=message.created_at,
            kind=SENT,
            people=People(sender=parsed.sender, to=parsed.to, cc=parsed.cc, reply_to=parsed.reply_to),
            match=found.match if found else Match(),
            sender=_sender_key(parsed),
            header_id=parsed.message_id or message.message_id,
            in_reply_to=next(iter(parsed.in_reply_to), None),
            thread_index=thread_index_root(parsed.thread_index),
            subject=parsed.subject[:SUBJECT_KEPT],
            preview=preview_of(text),
            references=parsed.references,
            attachments=parsed.attachments,
            flags=parsed.flags,
        )

    async def _put(self, tx: Transaction, letter: Letter, text: Text, found: Found | None) -> Letter:
        """The letter in its thread: the one that was found, unless it must stay apart, or a new one."""
        joins = found is not None and letter.standing == "accepted"
        return await put_beside(tx, self.clock, letter, text, found.letter if found and joins else None)

    async def _follow(self, tx: Transaction, opened: Opened, letter: Letter) -> None:
        """What a letter does to the mail that it is about."""
        kind = opened.classified.kind
        if kind is Kind.BOUNCE:
            if message := await self._bounced(tx, opened):
                recorded = await bounces.record_bounce(tx, self.clock, message, opened.failures)
                if recorded.unsettled:
                    raise ReportTooEarly(", ".join(recorded.unsettled))
        elif kind is Kind.COMPLAINT:
            await self._complain(tx, opened)
        elif opened.found is not None and opened.found.answers_ours:
            parent = opened.found.letter
            if kind is Kind.UNSUBSCRIBE:
                await self._unsubscribe(tx, opened, parent)
            elif kind is Kind.REPLY:
                await self._reply(tx, opened, parent, letter)

    async def _leave(self, tx: Transaction, opened: Opened) -> None:
        """Somebody wrote to the address that stands in his copy of our mail: that counts, whoever he is.

        A report is no wish of anybody's.
        """
        message_id = leaving.message_of(opened.arrival.recipient, self.unsubscribe_secret)
        if message_id is None or opened.classified.kind is not Kind.UNSUBSCRIBE:
            return
        message = await spool.find(tx, message_id)
        if message is not None and message.mailbox_id == opened.arrival.mailbox_id:
            await unsubscribes.record_by_address(tx, self.clock, message)

    async def _bounced(self, tx: Transaction, opened: Opened) -> Message | None:
        """The message that a bounce came back for: only our own signature says which."""
        message_id = bounce_address.decode(opened.arrival.recipient, self.secret)
        message = await spool.find(tx, message_id) if message_id else None
        if message is None or message.mailbox_id != opened.arrival.mailbox_id:
            return None
        return message

    async def _complain(self, tx: Transaction, opened: Opened) -> None:
        complaint = complaints.read(opened.parsed)
        ids = complaints.message_ids_in(opened.parsed, opened.arrival.recipient, self.secret)
        for message_id in ids[:1]:
            message = await spool.find(tx, message_id)
            if complaint is not None and message is not None:
                await complaints.record_complaint(tx, self.clock, message, complaint)

    async def _unsubscribe(self, tx: Transaction, opened: Opened, parent: Letter) -> None:
        message = await spool.find(tx, parent.message_id)
        author = author_of(opened.parsed)
        if message is not None and author is not None:
            await unsubscribes.record_unsubscribe(
                tx, self.clock, message, author, authentic=opened.authentication.is_authentic
            )

    async def _reply(self, tx: Transaction, opened: Opened, parent: Letter, letter: Letter) -> None:
        await log.append(
            tx,
            self.clock,
            EventKind.MESSAGE_REPLIED,
            tenant_id=letter.tenant_id,
            mailbox_id=letter.mailbox_id,
            message_id=parent.message_id,
            is_test=opened.message.is_test,
            data={
                "reply": letter.message_id,
                "thread_id": letter.thread_id,
                "from": letter.sender,
                "subject": letter.subject,
                "intent": letter.intent,
                "authentic": opened.authentication.is_authentic,
            },
        )

    async def _tell(self, tx: Transaction, opened: Opened, letter: Letter) -> None:
        await log.append(
            tx,
            self.clock,
            _TOLD_AS[letter.standing],
            tenant_id=letter.tenant_id,
            mailbox_id=letter.mailbox_id,
            message_id=letter.message_id,
            is_test=opened.message.is_test,
            data=_received_data(opened, letter),
        )


def preview_of(text: Text) -> str:
    """The first words of the new text, on one line."""
    return " ".join((text.extracted_text or text.text)[: 4 * PREVIEW].split())[:PREVIEW]


def _sender_key(parsed: Parsed) -> str:
    if len(parsed.sender) != 1:
        return next((person.address for person in parsed.sender), "")
    return _address_key(parsed.sender[0].address)


@lru_cache(maxsize=1024)
def _address_key(text: str) -> str:
    """The key of an address; what is none stands for itself."""
    try:
        return parse_address(text).key
    except InvalidAddress:
        return text


def _received_data(opened: Opened, letter: Letter) -> dict[str, Any]:
    arrival, message = opened.arrival, opened.message
    return {
        "reverse_path": str(message.reverse_path),
        "recipient": str(arrival.recipient),
        "from": message.header_from,
        "subject": letter.subject,
        "thread_id": letter.thread_id,
        "kind": letter.kind,
        "automatic": letter.automatic,
        "match": letter.match.method,
        "authentic": opened.authentication.is_authentic,
        "spf": opened.authentication.spf.verdict,
        "dkim": [result.verdict for result in opened.authentication.dkim],
        "dmarc": opened.authentication.dmarc.verdict,
        "client": arrival.client,
        "helo": arrival.helo,
        "attachments": len(letter.attachments),
        "flags": letter.flags,
        "size": message.size,
    }
