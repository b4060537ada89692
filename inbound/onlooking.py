"""Read mail for those who guard what goes out (`relay.guards.onlooker`), as mail that comes is read.

What cannot be read wholly is not guessed at: then the message waits.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from inbound.letters import records, related, texts
from inbound.letters.letter import Letter
from inbound.links import links_of
from inbound.reading.bench import ReadingBench, ReadingFailed
from inbound.reading.extract import Part
from inbound.reading.parsed import Attachment, Parsed
from inbound.reading.tasks import ExtractPart, Parse
from relay.address import Address
from relay.guards.onlooker import AttachedFile, Conversation, NobodyReads, NotWhole, Said, Written
from relay.message.content import Body
from relay.spool import records as spool
from relay.store.bodies import BodyShelf
from relay.store.database import Database

LETTERS_LOOKED_AT = 200
FILES_LOOKED_AT = 100
# What is wrong with a message of which not all was read.
_NOT_WHOLE = frozenset(
    {"text_truncated", "too_deep", "too_many_parts", "malformed_multipart", "bad_encoding"}
)
_TEXTS = ("text/", "message/")


@dataclass(frozen=True, slots=True)
class Onlooking:
    """Holds what reading takes; see `Reads` for what each method says."""

    db: Database
    shelf: BodyShelf
    bench: ReadingBench

    async def read(self, header: bytes, body: Body, written: Written | None = None) -> Said:
        parsed = await self._parsed(header, body)
        parts = [await self._part(header, body, each) for each in parsed.attachments]
        files = tuple(
            AttachedFile(each.filename, each.content_type, each.size, hashlib.sha256(part.content).digest())
            for each, part in zip(parsed.attachments, parts, strict=True)
        )
        text, html = (written.text, written.html) if written else (parsed.text, parsed.html)
        said = [parsed.subject, text, *_in_files(parsed.attachments, parts)]
        return Said(text, links_of(said, html), files)

    async def conversation(
        self, mailbox_id: str, header_ids: Sequence[str], sizes: Collection[int], answers: str | None = None
    ) -> Conversation:
        letters = await self._letters(mailbox_id, header_ids, answers)
        said = await texts.find_many(self.db, [letter.message_id for letter in letters])
        links = {link for text in said.values() for link in links_of([text.text], text.html)}
        links |= {link for letter in letters for link in links_of([letter.subject], None)}
        digests = await self._digests(letters, sizes)
        return Conversation(frozenset(links), frozenset(digests))

    async def who_wrote(self, mailbox_id: str, addresses: Sequence[Address]) -> frozenset[str]:
        return frozenset(await related.senders_among(self.db, mailbox_id, [each.key for each in addresses]))

    async def _letters(self, mailbox_id: str, header_ids: Sequence[str], answers: str | None) -> list[Letter]:
        named = list((await related.by_header_ids(self.db, mailbox_id, header_ids)).values())
        # One that has no Message-ID is named by nothing else.
        answered = await records.find(self.db, answers) if answers else None
        named += [answered] if answered and answered.mailbox_id == mailbox_id else []
        threads = sorted({letter.thread_id for letter in named})
        found = [await records.of_thread(self.db, thread, LETTERS_LOOKED_AT) for thread in threads[:10]]
        return [letter for letters in found for letter in letters]

    async def _digests(self, letters: Sequence[Letter], sizes: Collection[int]) -> set[bytes]:
        """Of the attachments of these letters that have one of the sizes."""
        wanted = [(letter, each) for letter in letters for each in letter.attachments if each.size in sizes]
        found = set[bytes]()
        for letter, attachment in wanted[:FILES_LOOKED_AT]:
            stored = await spool.content_of(self.db, letter.message_id)
            if stored is None or stored.is_purged:
                continue
            data, file = await self.shelf.open(stored.body, stored.body_file)
            part = await self._part(stored.header, Body(data, file, 0), attachment)
            found.add(hashlib.sha256(part.content).digest())
        return found

    async def _parsed(self, header: bytes, body: Body) -> Parsed:
        try:
            parsed = await self.bench.ask(Parse(header, body.data, str(body.file) if body.file else None))
        except ReadingFailed as failure:
            raise NobodyReads(f"it could not be read: {failure}") from failure
        if doubts := _NOT_WHOLE.intersection(parsed.flags):
            raise NotWhole(doubts)
        return parsed

    async def _part(self, header: bytes, body: Body, attachment: Attachment) -> Part:
        file = str(body.file) if body.file else None
        try:
            return await self.bench.ask(ExtractPart(header, body.data, file, attachment.part))
        except ReadingFailed as failure:
            raise NobodyReads(f"an attachment could not be read: {failure}") from failure


def _in_files(attachments: Iterable[Attachment], parts: Iterable[Part]) -> list[str]:
    """The attachments that are texts: a reader follows their links as well."""
    return [
        part.content.decode("utf-8", "replace")
        for attachment, part in zip(attachments, parts, strict=True)
        if attachment.content_type.startswith(_TEXTS)
    ]
