"""Find the conversation that a message belongs to, and say what proves it.

The signed address that it came to; then In-Reply-To; then References, newest
first and only where the subject is the same; then Outlook's Thread-Index;
then an answer that was faster than its question. Never outside the mailbox: a
stranger who knows a Message-ID of another joins nothing of theirs. RFC 5322
§3.6.4.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from inbound.letters import related
from inbound.letters.letter import Letter, Match, Method
from inbound.reading.parsed import Parsed
from relay.address import Address
from relay.message.reply import canonical_subject
from relay.spool import records as spool
from relay.store.database import Reader
from relay.tenants import bounce_address, reply_address

# Of a Thread-Index: a time and a GUID, which every message of the conversation shares.
_ROOT_OCTETS = 22


@dataclass(frozen=True, slots=True)
class Found:
    """The letter whose thread it joins, and how that is known."""

    letter: Letter
    match: Match

    @property
    def answers_ours(self) -> bool:
        """Whether the letter itself is one that we sent, and came before."""
        return self.letter.direction == "out" and self.match.method != "answered"


@dataclass(frozen=True, slots=True)
class Threading:
    """Looks for conversations. `letter_of` gives the letter of a message, reading it first if need be."""

    db: Reader
    secret: bytes
    letter_of: Callable[[str], Awaitable[Letter | None]]

    async def find(self, mailbox_id: str, parsed: Parsed, recipient: Address | None = None) -> Found | None:
        """The conversation of a message in one mailbox; None where it begins one."""
        return (
            await self._by_address(mailbox_id, recipient)
            or await self._by_in_reply_to(mailbox_id, parsed)
            or await self._by_references(mailbox_id, parsed)
            or await self._by_thread_index(mailbox_id, parsed)
            or await self._by_answer(mailbox_id, parsed)
        )

    async def _by_address(self, mailbox_id: str, recipient: Address | None) -> Found | None:
        if recipient is None:
            return None
        answered = reply_address.decode(recipient, self.secret)
        bounced = bounce_address.decode(recipient, self.secret)
        message_id = answered or bounced
        letter = await self.letter_of(message_id) if message_id else None
        if letter is None or letter.mailbox_id != mailbox_id:
            return None
        return _found(letter, "reply_address" if answered else "bounce_address", str(recipient))

    async def _by_in_reply_to(self, mailbox_id: str, parsed: Parsed) -> Found | None:
        known = await self._known(mailbox_id, parsed.in_reply_to)
        for header_id in parsed.in_reply_to:
            if header_id in known:
                return _found(known[header_id], "in_reply_to", header_id)
        return None

    async def _by_references(self, mailbox_id: str, parsed: Parsed) -> Found | None:
        known = await self._known(mailbox_id, parsed.references)
        subject = canonical_subject(parsed.subject)
        for header_id in reversed(parsed.references):
            letter = known.get(header_id)
            # Some programs answer a stored message with another matter: References alone proves little.
            if letter is not None and canonical_subject(letter.subject) == subject:
                return _found(letter, "references", header_id)
        return None

    async def _by_thread_index(self, mailbox_id: str, parsed: Parsed) -> Found | None:
        root = thread_index_root(parsed.thread_index)
        letter = await related.by_thread_index(self.db, mailbox_id, root) if root else None
        return _found(letter, "thread_index", root or "") if letter else None

    async def _by_answer(self, mailbox_id: str, parsed: Parsed) -> Found | None:
        if not parsed.message_id:
            return None
        letter = await related.that_answers(self.db, mailbox_id, parsed.message_id)
        return _found(letter, "answered", letter.header_id) if letter else None

    async def _known(self, mailbox_id: str, header_ids: Sequence[str]) -> dict[str, Letter]:
        """The mailbox's letters with these Message-IDs; what was sent a moment ago is read first."""
        if not header_ids:
            return {}
        known = await related.by_header_ids(self.db, mailbox_id, header_ids)
        missing = [header_id for header_id in header_ids if header_id not in known]
        unread = await spool.with_header_ids(self.db, mailbox_id, missing) if missing else {}
        for header_id, message_id in unread.items():
            letter = await self.letter_of(message_id)
            if letter is not None and letter.standing == "accepted":
                known[header_id] = letter
        return known


def thread_index_root(value: str | None) -> str | None:
    """What all messages of one Outlook conversation have in common; None for what cannot be one."""
    if not value:
        return None
    try:
        octets = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets[:_ROOT_OCTETS].hex() if len(octets) >= _ROOT_OCTETS else None


def _found(letter: Letter, method: Method, evidence: str) -> Found:
    return Found(letter, Match(method, evidence[:1000]))
