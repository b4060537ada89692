"""Read mail that was handed in over SMTP: it belongs to conversations like all other mail.

A reader of the event log with a cursor of its own. What was composed here
has its letter from the moment it was accepted, and is passed over. Short mail
that begins a conversation, which is most of it, is read here and filed by the
batch; what answers mail that we have, or is long, goes one by one.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inbound.filing import Filing, Sent
from inbound.letters import records, related, texts
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from inbound.opening import Reading
from inbound.reading.parse import SHORT_BODY, parse_simple
from inbound.reading.parsed import Parsed, Separated
from inbound.threading import Threading
from relay.errors import StoreUnavailable
from relay.events import log
from relay.events.kinds import EventKind
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction

CURSOR = "letters"
BATCH = 250
LONGEST_CHAIN = 500
# What shares one transaction: whoever accepts mail meanwhile waits for it.
_FILED_AT_ONCE = 262_144  # characters
_READ_AT_ONCE = 8
# So far the log is read again after a restart, where nothing in it was for us.
_UNWRITTEN = 1000

logger = logging.getLogger("posthouse.reader")


@dataclass(slots=True)
class SentMail:
    """Holds what reading sent mail needs; `threading` knows only what has been read.

    `last_seq` is the end of the log as the last step saw it.
    """

    db: Database
    reading: Reading
    filing: Filing
    threading: Threading
    last_seq: int = 0
    _read: int | None = None
    _written: int = 0

    async def step(self) -> int:
        """Read on in the log; returns how far."""
        if self._read is None:
            self._read = self._written = await log.read_cursor(self.db, CURSOR)
        self.last_seq = await log.last_seq(self.db)
        if self.last_seq <= self._read:
            return 0
        ids, upto = await log.messages_after(
            self.db, EventKind.MESSAGE_ACCEPTED, self._read, self.last_seq, BATCH
        )
        if ids:
            await self._read_all(ids)
        if ids or upto - self._written > _UNWRITTEN:
            await self._move_cursor(upto)
        way, self._read = upto - self._read, upto
        return way

    async def _move_cursor(self, seq: int) -> None:
        async def work(tx: Transaction) -> None:
            await log.move_cursor(tx, CURSOR, seq)

        await self.db.transact(work)
        self._written = seq

    async def _read_all(self, ids: Sequence[str]) -> None:
        """Letters for all of them that have none."""
        known = await records.known(self.db, ids)
        left = dict.fromkeys(id_ for id_ in ids if id_ not in known)
        for part in _parts(await self._apart(list(left))):
            if await self._filed_together(part):
                for each in part:
                    del left[each.message.id]
        for id_ in left:
            await self._try_to_read(id_)

    async def _apart(self, ids: Sequence[str]) -> list[Sent]:
        """Those of the messages that are short and have to do with no other, read."""
        loaded = await spool.load_small(self.db, ids, SHORT_BODY)
        found: list[Sent] = []
        for at, (message, stored) in enumerate(loaded[id_] for id_ in ids if id_ in loaded):
            if at % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)  # whoever is being answered need not wait for all of them
            parsed = parse_simple(stored.header, stored.body or b"")
            # Who writes in Outlook's conversations writes answers with quotes.
            if parsed and message.direction == "out" and message.mailbox_id and not parsed.thread_index:
                separated = Separated(parsed.text, visible_text=parsed.text)
                found.append(Sent(message, parsed, Text.of(parsed, separated)))
        by_mailbox: dict[str, list[Sent]] = defaultdict(list)
        for each in found:
            by_mailbox[each.message.mailbox_id or ""].append(each)
        return [
            each for mailbox_id, sent in by_mailbox.items() for each in await self._alone(mailbox_id, sent)
        ]

    async def _alone(self, mailbox_id: str, sent: Sequence[Sent]) -> list[Sent]:
        """Those that answer nothing the mailbox has, and whose answer was not faster than they were."""
        names = [each.parsed.message_id for each in sent if each.parsed.message_id]
        answered = await related.answered_among(self.db, mailbox_id, names) if names else set()
        referred = list({name for each in sent for name in _references(each.parsed)})
        known: set[str] = set()
        if referred:
            known = await related.named_among(self.db, mailbox_id, referred)
            known |= set(await spool.with_header_ids(self.db, mailbox_id, referred))
        return [
            each
            for each in sent
            if each.parsed.message_id not in answered and known.isdisjoint(_references(each.parsed))
        ]

    async def _filed_together(self, sent: Sequence[Sent]) -> bool:
        try:
            await self.db.transact(lambda tx: self.filing.sent_apart(tx, sent), lengthy=True)
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("%d messages could not be filed together; they are read one by one", len(sent))
            return False
        return True

    async def letter_of(self, message_id: str) -> Letter | None:
        """The letter of a message; one that was sent and not read yet is read now, behind what it answers.

        None for received mail that nobody has read. Questions that answer each
        other end the search, and so does a very long chain of unread ones.
        """
        chain, seen = [message_id], set[str]()
        while chain:
            loaded = await self._unread(chain[-1])
            if loaded is None:
                chain.pop()
                continue
            parsed = await self.reading.parse(*loaded)
            is_first_look = chain[-1] not in seen and len(seen) < LONGEST_CHAIN
            questions = await self._questions(loaded[0], parsed) if is_first_look else set[str]()
            seen.add(chain[-1])
            if questions <= seen:
                await self._file(*loaded, parsed)
            else:
                chain += sorted(questions - seen, reverse=True)
        return await records.find(self.db, message_id)

    async def _unread(self, message_id: str) -> tuple[Message, StoredContent] | None:
        """A sent message that has no letter yet."""
        if await records.find(self.db, message_id) is not None:
            return None
        loaded = await spool.load(self.db, message_id)
        return loaded if loaded and loaded[0].direction == "out" and loaded[0].mailbox_id else None

    async def _questions(self, message: Message, parsed: Parsed) -> set[str]:
        """The messages of its mailbox that it answers and that have no letter."""
        assert message.mailbox_id is not None
        header_ids = [*parsed.in_reply_to, *parsed.references]
        if not header_ids:
            return set()
        known = await related.by_header_ids(self.db, message.mailbox_id, header_ids)
        missing = [header_id for header_id in header_ids if header_id not in known]
        return set((await spool.with_header_ids(self.db, message.mailbox_id, missing)).values())

    async def _try_to_read(self, message_id: str) -> None:
        """One that cannot be read, for a fault of ours, keeps nobody else's from being read."""
        try:
            await self.letter_of(message_id)
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("%s has no letter", message_id)

    async def _file(self, message: Message, stored: StoredContent, parsed: Parsed) -> None:
        assert message.mailbox_id is not None
        found = await self.threading.find(message.mailbox_id, parsed)
        parent = await texts.find(self.db, found.letter.message_id) if found else None
        separated = Separated(parsed.text, visible_text=parsed.text)
        if parent is not None:
            separated = await self.reading.separate(parsed, parent)
        text = Text.of(parsed, separated)
        await self.db.transact(lambda tx: self.filing.sent(tx, message, parsed, text, found), lengthy=True)


def _references(parsed: Parsed) -> tuple[str, ...]:
    """The Message-IDs of what it answers."""
    return (*parsed.in_reply_to, *parsed.references)


def _parts(sent: Sequence[Sent]) -> Iterator[list[Sent]]:
    part: list[Sent] = []
    length = 0
    for each in sent:
        part.append(each)
        length += len(each.text.text) + len(each.text.html or "")
        if length >= _FILED_AT_ONCE:
            yield part
            part, length = [], 0
    if part:
        yield part
