"""Letters as the API shows them: with what the spool knows of the message and the queue of its recipients.

Strangers write as much text as a message holds, so no answer holds the texts
of all that are asked for: it ends where they are more than TEXTS_AT_ONCE.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import UNSET, structs

from api.mail.shapes import AttachmentShape, MessageShape, RecipientShape, ThreadShape
from inbound.letters import records, texts
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from inbound.letters.threads import Thread
from relay.clock import from_us
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State, message_status
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Reader

RECEIVED = "received"
TEXTS_AT_ONCE = 8 * 1024 * 1024  # characters, and octets of the messages whose texts are read together


async def show(reader: Reader, letter: Letter) -> MessageShape:
    """One message with all that it says."""
    message = await spool.find(reader, letter.message_id)
    recipients = await queue.of_message(reader, letter.message_id)
    text = await texts.find(reader, letter.message_id)
    return with_text(shape_of(letter, message, recipients), text)


async def show_many(reader: Reader, letters: Sequence[Letter]) -> list[MessageShape]:
    """Several messages in their order, without their texts."""
    ids = [letter.message_id for letter in letters]
    messages = await spool.find_many(reader, ids)
    recipients = await queue.of_messages(reader, ids)
    return [
        shape_of(letter, messages.get(id_), recipients[id_]) for id_, letter in zip(ids, letters, strict=True)
    ]


async def show_whole(reader: Reader, letters: Sequence[Letter]) -> list[MessageShape]:
    """As many of the messages as fit into one answer with their texts, in their order; at least the first."""
    shapes = await show_many(reader, letters)
    said = await _texts_of(reader, shapes)
    return [with_text(shape, said[shape.id]) for shape in shapes[: len(said)]]


async def show_thread(reader: Reader, thread: Thread) -> ThreadShape:
    """A thread with its messages, oldest first; the texts are those of the newest, as many as fit."""
    shapes = await show_many(reader, await records.of_thread(reader, thread.id))
    said = await _texts_of(reader, shapes[::-1])
    return thread_shape(thread, tuple(with_text(shape, said.get(shape.id)) for shape in shapes))


async def _texts_of(reader: Reader, shapes: Sequence[MessageShape]) -> Mapping[str, Text | None]:
    """What the first of these messages say, as far as there is room; None where that is forgotten."""
    said: dict[str, Text | None] = {}
    room = TEXTS_AT_ONCE
    for ids in _read_together(shapes):
        known = await texts.find_many(reader, ids)
        for id_ in ids:
            room -= _length(known.get(id_))
            if room < 0 and said:
                return said
            said[id_] = known.get(id_)
    return said


def _read_together(shapes: Sequence[MessageShape]) -> Iterator[list[str]]:
    """The ids in their order, parted so that no part may hold much more text than an answer."""
    ids, size = list[str](), 0
    for shape in shapes:
        if ids and size + shape.size > TEXTS_AT_ONCE:
            yield ids
            ids, size = [], 0
        ids.append(shape.id)
        size += shape.size
    if ids:
        yield ids


def _length(text: Text | None) -> int:
    return sum(len(part or "") for part in structs.astuple(text)) if text else 0


def shape_of(letter: Letter, message: Message | None, recipients: Sequence[QueuedRecipient]) -> MessageShape:
    """The shape without texts; `message` is None once retention has taken its facts."""
    people = letter.people
    return MessageShape(
        id=letter.message_id,
        inbox_id=letter.mailbox_id,
        thread_id=letter.thread_id,
        direction=letter.direction,
        message_id=letter.header_id,
        in_reply_to=letter.in_reply_to,
        references=letter.references,
        sender=next(iter(people.sender), None),
        to=people.to,
        cc=people.cc,
        bcc=people.bcc,
        reply_to=people.reply_to,
        subject=letter.subject,
        preview=letter.preview,
        attachments=tuple(map(AttachmentShape.of, letter.attachments)),
        labels=letter.labels,
        tags=message.tags if message else (),
        metadata=message.metadata if message else {},
        size=message.size if message else 0,
        status=RECEIVED if letter.direction == "in" else message_status([each.state for each in recipients]),
        recipients=tuple(map(recipient_shape, recipients)),
        classification=letter.kind,
        automatic=letter.automatic,
        intent=letter.intent,
        standing=letter.standing,
        match=letter.match,
        evidence=letter.evidence,
        flags=letter.flags,
        authentication=letter.authentication,
        screening=letter.screening,
        test=message.is_test if message else False,
        send_at=_instant(message.send_at) if message else None,
        created_at=from_us(letter.at),
    )


def with_text(shape: MessageShape, text: Text | None) -> MessageShape:
    """The same with what it says; null where retention has forgotten it."""
    said = structs.asdict(text) if text else dict.fromkeys(Text.__struct_fields__)
    return structs.replace(shape, **said)


def recipient_shape(recipient: QueuedRecipient) -> RecipientShape:
    waits = recipient.state in (State.SCHEDULED, State.QUEUED, State.DEFERRED)
    return RecipientShape(
        address=str(recipient.address),
        status=recipient.state.value,
        reason=recipient.reason,
        mx=recipient.last_mx,
        reply=recipient.last_reply,
        attempts=recipient.attempts,
        next_attempt_at=_instant(recipient.due_at) if waits else None,
    )


def thread_shape(thread: Thread, messages: tuple[MessageShape, ...] | None = None) -> ThreadShape:
    """A thread as lists show it, or with its messages."""
    return ThreadShape(
        id=thread.id,
        inbox_id=thread.mailbox_id,
        subject=thread.subject,
        message_count=thread.messages,
        labels=thread.labels,
        started_at=from_us(thread.started_at),
        last_message_at=from_us(thread.last_at),
        messages=UNSET if messages is None else messages,
    )


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
