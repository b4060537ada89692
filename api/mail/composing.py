"""Make the octets of an outgoing message, and the letter that it will be in our own conversations."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass, replace

from msgspec import structs

from api.call import Call
from api.house import House
from api.mail import placeholders
from api.mail.marking import as_it_travels
from api.mail.outgoing import Outgoing
from api.problems import FieldError, Problem
from inbound.filing import SENT, preview_of
from inbound.letters.letter import Letter, Match, People
from inbound.letters.texts import Text
from inbound.reading.bench import ReadingFailed
from inbound.reading.filenames import clean_filename
from inbound.reading.parsed import Attachment
from inbound.reading.tasks import Parse
from inbound.threading import thread_index_root
from relay.address import parse_address
from relay.clock import Clock, to_us
from relay.errors import InvalidInput
from relay.ids import new_id
from relay.message.compose import ComposedAttachment, Composition, InvalidComposition, compose
from relay.message.content import Content, ContentRefused, ContentWriter
from relay.message.headers import new_message_id
from relay.message.person import Person
from relay.tenants import reply_address

_SHORT = 16_384  # characters
_HTML = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message and its letter; `content` is on disk where it is large, until its writer discards it."""

    letter: Letter
    text: Text
    content: Content
    needs_utf8: bool


async def compose_letter(call: Call, outgoing: Outgoing, writer: ContentWriter) -> Composed:
    """The message in `writer`, and its letter under the same ids; raises Problem (422, 413, 503)."""
    await call.house.scanner.check(outgoing.attachments)
    id_ = new_id("msg", call.house.clock)
    travels = await as_it_travels(outgoing, id_, call.house.station.link_secret)
    composition = _composition(call.house, travels, id_)
    content = await _written(writer, composition)
    text = await _text_of(call.house, outgoing)
    letter = _letter(call.house.clock, outgoing, composition, id_, text)
    if outgoing.attachments:
        letter = structs.replace(letter, attachments=await _attachments(call.house, outgoing, content))
    return Composed(letter, text, content, composition.needs_utf8)


def check(outgoing: Outgoing) -> None:
    """Raise Problem (422) if this cannot be said in a message; nothing is written."""
    files = tuple(replace(each, content=b"") for each in outgoing.attachments)
    said = Composition(
        sender=outgoing.sender,
        to=(*outgoing.to, *outgoing.bcc),
        cc=outgoing.cc,
        reply_to=outgoing.reply_to,
        subject=outgoing.subject,
        attachments=files,
        headers=outgoing.headers,
    )
    _octets(said)


def _composition(house: House, outgoing: Outgoing, id_: str) -> Composition:
    reply_to = outgoing.reply_to
    signed = reply_address.encode(id_, house.station.bounce_secret, outgoing.mailbox.address)
    if not reply_to:
        reply_to = (Person(str(signed), outgoing.sender.name),)
    return Composition(
        sender=outgoing.sender,
        to=outgoing.to,
        cc=outgoing.cc,
        reply_to=reply_to,
        subject=outgoing.subject,
        text=placeholders.filled(outgoing.text, signed),
        html=placeholders.filled(outgoing.html, signed),
        attachments=outgoing.attachments,
        headers=(*outgoing.headers, ("Thread-Index", _thread_index(outgoing, id_))),
        in_reply_to=outgoing.in_reply_to,
        references=outgoing.references,
        message_id=new_message_id(outgoing.sender.address.rpartition("@")[2], house.clock),
    )


def _letter(clock: Clock, outgoing: Outgoing, said: Composition, id_: str, text: Text) -> Letter:
    """Number and thread come with the transaction that writes it."""
    return Letter(
        number=0,
        message_id=id_,
        tenant_id=outgoing.mailbox.tenant_id,
        mailbox_id=outgoing.mailbox.id,
        thread_id="",
        direction="out",
        at=to_us(clock.now()),
        kind=SENT,
        people=People(
            sender=(outgoing.sender,),
            to=outgoing.to,
            cc=outgoing.cc,
            bcc=outgoing.bcc,
            reply_to=outgoing.reply_to,
        ),
        match=Match("given", outgoing.answers.message_id) if outgoing.answers else Match(),
        sender=parse_address(outgoing.sender.address).key,
        header_id=said.message_id,
        in_reply_to=outgoing.in_reply_to,
        thread_index=thread_index_root(dict(said.headers)["Thread-Index"]),
        subject=outgoing.subject,
        preview=preview_of(text),
        references=outgoing.references,
        labels=outgoing.labels,
    )


async def _written(writer: ContentWriter, composition: Composition) -> Content:
    """In a thread where it takes its time, or goes to a file; raises Problem."""
    length = len(composition.text or "") + len(composition.html or "")
    if composition.attachments or length > _SHORT:
        return await asyncio.to_thread(_write, writer, composition)
    return _write(writer, composition)


def _write(writer: ContentWriter, composition: Composition) -> Content:
    """The composed message, hashed; raises Problem."""
    header, body = _octets(composition)
    try:
        writer.feed(header + b"\r\n")
        writer.feed(body)
        return writer.finish()
    except ContentRefused as error:
        raise Problem(413, "payload_too_large", error.reply.text) from error


def _octets(composition: Composition) -> tuple[bytes, bytes]:
    try:
        return compose(composition)
    except InvalidComposition as error:
        fault = FieldError(f"$.{error.path}", error.why)
        raise Problem(422, "validation_error", str(error), errors=[fault]) from error
    except InvalidInput as error:
        raise Problem(422, "validation_error", str(error), errors=[FieldError("$", str(error))]) from error


async def _text_of(house: House, outgoing: Outgoing) -> Text:
    """The texts by which it is shown and found; HTML alone is read as its recipients read it."""
    text, new_text = outgoing.text, outgoing.new_text
    if text is None:
        text = await in_plain(house, outgoing.html)
    if new_text is None:
        is_whole = outgoing.new_html == outgoing.html
        new_text = text if is_whole else await in_plain(house, outgoing.new_html)
    return Text(
        text=text,
        html=outgoing.html,
        extracted_text=new_text,
        extracted_html=outgoing.new_html,
        visible_text=text,
    )


async def in_plain(house: House, html: str | None) -> str:
    """What HTML says without its marks; empty where that cannot be told."""
    if html is None:
        return ""
    try:
        return (await house.bench.ask(Parse(_HTML, html.encode(), None))).text
    except ReadingFailed:
        return ""


async def _attachments(house: House, outgoing: Outgoing, content: Content) -> tuple[Attachment, ...]:
    """As the reader numbers them: the texts come first, then what the HTML shows, then the files."""
    if any(each.content_type.lower().startswith("message/") for each in outgoing.attachments):
        # How these travel depends on their octets, so they are read back.
        try:
            return await _read_back(house, content)
        except ReadingFailed:
            pass
    shown = [each for each in outgoing.attachments if _is_shown(outgoing, each)]
    files = [each for each in outgoing.attachments if not _is_shown(outgoing, each)]
    texts = (outgoing.text is not None or outgoing.html is None) + (outgoing.html is not None)
    return tuple(
        Attachment(
            texts + place,
            clean_filename(each.filename),
            each.content_type.partition(";")[0].strip().lower(),
            each.disposition,
            each.content_id,
            len(each.content),
        )
        for place, each in enumerate([*shown, *files])
    )


async def _read_back(house: House, content: Content) -> tuple[Attachment, ...]:
    file = content.body.file
    task = Parse(content.header, content.body.data, str(file) if file else None)
    return (await house.bench.ask(task)).attachments


def _is_shown(outgoing: Outgoing, file: ComposedAttachment) -> bool:
    return outgoing.html is not None and file.disposition == "inline" and file.content_id is not None


def _thread_index(outgoing: Outgoing, id_: str) -> str:
    """Outlook's mark of a conversation: the parent's, or a new one of a version octet and 21 of our own.

    Programs that drop References often keep it ([MS-OXOMSG] 2.2.1.3).
    """
    digest, answered = hashlib.sha256(id_.encode()).digest(), outgoing.answers
    known = answered.thread_index if answered is not None else None
    root = bytes.fromhex(known) if known else b"\x01" + digest[:21]
    return base64.b64encode(root + digest[:5]).decode()
