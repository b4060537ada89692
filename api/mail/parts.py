"""The octets of messages: the raw form, and the attachments, which the reading child takes out."""

import asyncio
import re

from api.house import House
from api.mail.wishes import MAX_ATTACHMENTS
from api.problems import Problem, invalid
from inbound.letters.letter import Letter
from inbound.reading.bench import ReadingFailed
from inbound.reading.extract import Part
from inbound.reading.parsed import Attachment
from inbound.reading.tasks import ExtractPart
from inbound.shown import shown_header
from relay.errors import NotFound
from relay.message.compose import MAX_FILENAME, ComposedAttachment
from relay.message.content import Body
from relay.spool import records as spool

# What strangers write there may be anything; what we write must be something.
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}\Z")
_CONTENT_TYPE = re.compile(r"(?!multipart/)[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}\Z")


async def raw_of(house: House, letter: Letter) -> bytes:
    """The message as it came, our verdicts on its sender on top; or as it was before it was signed.

    Raises NotFound once it is purged.
    """
    loaded = await spool.load(house.db, letter.message_id)
    if loaded is None or loaded[1].is_purged:
        raise NotFound("retention has forgotten the raw form of this message")
    message, stored = loaded
    data, file = await house.station.shelf.open(stored.body, stored.body_file)
    body = Body(data=data, file=file, size=message.body_size)
    header = shown_header(letter, stored.header, house.config.server.hostname)
    return header + b"\r\n" + await asyncio.to_thread(body.read)


async def part_of(house: House, message_id: str, part: int) -> Part:
    """One part, decoded. Raises NotFound once it is purged; Problem (503) where it cannot be had now."""
    stored = await spool.content_of(house.db, message_id)
    if stored is None or stored.is_purged:
        raise NotFound("retention has forgotten the attachments of this message")
    data, file = await house.station.shelf.open(stored.body, stored.body_file)
    try:
        return await house.bench.ask(ExtractPart(stored.header, data, str(file) if file else None, part))
    except ReadingFailed as failure:
        text = f"This attachment cannot be taken out of the message ({failure}); the raw form has it."
        raise Problem(503, "not_accepting", text, headers={"Retry-After": "60"}) from failure


async def attachments_of(house: House, letter: Letter) -> tuple[ComposedAttachment, ...]:
    """All attachments of a letter, ready to be sent on.

    Raises Problem (422, 413) where they are more than one message can have, and as `part_of`.
    """
    if len(letter.attachments) > MAX_ATTACHMENTS:
        why = f"the message has more than {MAX_ATTACHMENTS} attachments; send it on without them"
        raise invalid("$.include_attachments", why)
    if sum(each.size for each in letter.attachments) > house.config.limits.message_size:
        raise Problem(413, "payload_too_large", "The attachments exceed the size of a message.")
    return tuple([await _attachment(house, letter, each) for each in letter.attachments])


async def _attachment(house: House, letter: Letter, attachment: Attachment) -> ComposedAttachment:
    part = await part_of(house, letter.message_id, attachment.part)
    return ComposedAttachment(
        filename=_fitting(attachment.filename) or f"part-{attachment.part}",
        content_type=_sendable(attachment.content_type),
        content=part.content,
        disposition=attachment.disposition,
        content_id=content_id if _CONTENT_ID.match(content_id := attachment.content_id or "") else None,
    )


def _fitting(filename: str) -> str:
    """The name within the octets that a field has for it; its end stays, which says what opens the file."""
    stem, dot, extension = filename.rpartition(".")
    room = MAX_FILENAME - len(f"{dot}{extension}".encode())
    if not dot or room < 1:
        return filename.encode()[:MAX_FILENAME].decode(errors="ignore")
    return stem.encode()[:room].decode(errors="ignore") + dot + extension


def _sendable(content_type: str) -> str:
    """The type if it is one; a broken multipart was read as one file, and is one."""
    return content_type if _CONTENT_TYPE.match(content_type) else "application/octet-stream"
