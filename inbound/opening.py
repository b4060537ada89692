"""Read one received message: what it says, who sent it, of what kind it is, where it belongs.

Nothing is written here. Whatever cannot be read is a flag on the letter; the
raw message stays as it came.
"""

import asyncio
import logging
from dataclasses import dataclass

from inbound import bounces
from inbound.arrivals import Arrival
from inbound.authenticate.judge import Judge
from inbound.authenticate.results import ArcResult, Authentication, DmarcResult, SpfResult
from inbound.bounces import ReportedFailure
from inbound.classify import Classified, Kind, classify
from inbound.intent import intent_of
from inbound.letters import records, texts
from inbound.letters.letter import Standing
from inbound.letters.texts import Text
from inbound.reading.bench import ReadingBench, ReadingFailed
from inbound.reading.fallback import header_only
from inbound.reading.parse import parse_simple
from inbound.reading.parsed import Parsed, Separated
from inbound.reading.tasks import Parse, Separate
from inbound.standing import Doorkeeper
from inbound.threading import Found, Threading
from relay.address import Address, InvalidAddress, parse_address
from relay.message.subjects import is_forward
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.tracking import leaving

logger = logging.getLogger("posthouse.inbound")

# A reading that ended this often without outcome is not tried again: the letter says so.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Examined:
    """One received message, taken apart, with the verdicts on its sender."""

    arrival: Arrival
    message: Message
    parsed: Parsed
    authentication: Authentication


@dataclass(frozen=True, slots=True)
class Opened:
    """One received message as it was read; `found` is None where it begins a conversation."""

    arrival: Arrival
    message: Message
    parsed: Parsed
    text: Text
    authentication: Authentication
    classified: Classified
    found: Found | None
    standing: Standing
    intent: str | None
    failures: tuple[ReportedFailure, ...] = ()


@dataclass(slots=True)
class Reading:
    """Takes messages apart in the child process, and says so where that fails."""

    bench: ReadingBench
    shelf: BodyShelf

    async def parse(self, message: Message, stored: StoredContent, *, tried: int = TRIES - 1) -> Parsed:
        """What the message says; of one that cannot be read, what its header says.

        `tried` is how often it was before. Raises ReadingFailed for a crash
        that is worth another try: the message need not have caused it. Short
        mail of our own users is taken apart here: it needs no child.
        """
        if stored.is_purged or tried >= TRIES:
            return header_only(stored.header)
        is_short = message.direction == "out" and stored.body is not None
        if is_short and (simple := parse_simple(stored.header, stored.body or b"")) is not None:
            return simple
        data, file = await self.shelf.open(stored.body, stored.body_file)
        try:
            return await self.bench.ask(Parse(stored.header, data, str(file) if file else None))
        except ReadingFailed as failure:
            if failure.reason == "crash" and tried + 1 < TRIES:
                raise
            logger.warning("%s could not be read: %s", message.id, failure)
            return header_only(stored.header)

    async def separate(self, parsed: Parsed, parent: Text | None) -> Separated:
        """The new text apart from the quoted; all of it is new where that cannot be told."""
        if not parsed.text and parsed.html is None:
            return Separated("")
        task = Separate(
            parsed.text,
            parsed.html,
            parent.text if parent else None,
            parent.html if parent else None,
            is_forward(parsed.subject),
        )
        try:
            return await self.bench.ask(task)
        except ReadingFailed as failure:
            logger.warning("the new text could not be told from the quoted: %s", failure)
            return Separated(extracted_text=parsed.text, visible_text=parsed.text)


@dataclass(slots=True)
class Opener:
    """Holds what `open` needs."""

    reading: Reading
    judge_of_senders: Judge
    threading: Threading
    doorkeeper: Doorkeeper
    unsubscribe_secret: bytes

    async def examine(self, arrival: Arrival, message: Message, stored: StoredContent) -> Examined:
        """Take it apart and judge its sender; raises ReadingFailed for what is worth another try."""
        authentication, parsed = await asyncio.gather(
            self._judge(arrival, message, stored),
            self.reading.parse(message, stored, tried=arrival.unfinished),
            return_exceptions=True,
        )
        for outcome in (authentication, parsed):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(parsed, Parsed)
        assert not isinstance(authentication, BaseException)
        return Examined(arrival, message, parsed, authentication or submitted_here(parsed))

    async def open(self, examined: Examined) -> Opened:
        """Find out what it is and where it belongs; all that it may belong to must have been filed."""
        arrival, message, parsed = examined.arrival, examined.message, examined.parsed
        found = await self.threading.find(arrival.mailbox_id, parsed, arrival.recipient)
        classified = classify(
            parsed,
            reverse_path=message.reverse_path,
            recipient=arrival.recipient,
            in_reply=await self._is_reply(found),
            to_leave=leaving.message_of(arrival.recipient, self.unsubscribe_secret) is not None,
        )
        text = await self._text(parsed, found)
        return Opened(
            arrival=arrival,
            message=message,
            parsed=parsed,
            text=text,
            authentication=examined.authentication,
            classified=classified,
            found=found,
            standing=await self._standing(examined, found, classified),
            intent=_intent(classified, parsed, text),
            failures=tuple(bounces.read(parsed)) if classified.kind is Kind.BOUNCE else (),
        )

    async def _judge(
        self, arrival: Arrival, message: Message, stored: StoredContent
    ) -> Authentication | None:
        """The verdicts on its sender; None where it was handed in here."""
        if arrival.authentication is not None or message.source == "local":
            return arrival.authentication
        data, file = await self.reading.shelf.open(stored.body, stored.body_file)
        return await self.judge_of_senders.judge(
            client=arrival.client,
            helo=arrival.helo,
            reverse_path=message.reverse_path,
            header=stored.header,
            body=data,
            body_file=str(file) if file else None,
        )

    async def _is_reply(self, found: Found | None) -> bool:
        """Whether it goes on in a conversation in which we wrote before."""
        if found is None or found.match.method == "answered":
            return False
        return found.answers_ours or await records.has_sent(self.threading.db, found.letter.thread_id)

    async def _standing(self, examined: Examined, found: Found | None, classified: Classified) -> Standing:
        """A report to a bounce address of ours is let in: only a copy of our mail has it.

        Nothing else is: every recipient knows that address.
        """
        is_report = classified.kind in (Kind.BOUNCE, Kind.COMPLAINT)
        if is_report and found is not None and found.match.method == "bounce_address":
            return "accepted"
        return await self.doorkeeper.standing(
            examined.arrival, examined.message, examined.parsed, examined.authentication
        )

    async def _text(self, parsed: Parsed, found: Found | None) -> Text:
        parent = await texts.find(self.threading.db, found.letter.message_id) if found else None
        return Text.of(parsed, await self.reading.separate(parsed, parent))


def author_of(parsed: Parsed) -> Address | None:
    """The only author's address; None where there is none, several, or no address."""
    if len(parsed.sender) != 1:
        return None
    try:
        return parse_address(parsed.sender[0].address)
    except InvalidAddress:
        return None


def submitted_here(parsed: Parsed) -> Authentication:
    """Mail from this house to this house: its author was checked when it was handed in."""
    author = author_of(parsed)
    domain = author.domain if author else ""
    return Authentication(
        spf=SpfResult("none"),
        dkim=(),
        dmarc=DmarcResult("pass" if domain else "none", domain=domain, reason="submitted here"),
        arc=ArcResult(),
        from_domain=domain,
    )


def _intent(classified: Classified, parsed: Parsed, text: Text) -> str | None:
    if classified.automatic or classified.kind not in (Kind.REPLY, Kind.NEW):
        return None
    return intent_of(parsed.subject, text.extracted_text)
