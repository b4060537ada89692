"""Let in a letter that was put aside: into the thread that it matched, and to whoever acts on mail."""

from msgspec.structs import replace

from inbound.letters import changes, records, related, threads
from inbound.letters.letter import Letter
from relay.address import InvalidAddress, parse_address
from relay.clock import Clock
from relay.events import log
from relay.events.kinds import EventKind
from relay.events.log import Details
from relay.store.database import Reader, Transaction
from relay.tenants import bounce_address, reply_address

_PUT_ASIDE = (EventKind.MESSAGE_BLOCKED, EventKind.MESSAGE_QUARANTINED)


async def let_in(tx: Transaction, clock: Clock, secret: bytes, letter: Letter) -> Letter:
    """The letter, accepted: it counts in its thread, and `message.received` says so, once in its life.

    What it would have joined when it came it joins now, unless it stands
    among others already. An answer to a message of ours raises
    `message.replied` too. `secret` signs our reply addresses.
    """
    parent = await _parent(tx, secret, letter)
    if parent is not None and await records.count_of_thread(tx, letter.thread_id) == 1:
        letter = await _join(tx, letter, parent)
    await changes.change_standing(tx, letter, "accepted")
    if not await _was_told(tx, letter):
        await _tell(tx, clock, letter, parent)
    return replace(letter, standing="accepted")


async def _parent(reader: Reader, secret: bytes, letter: Letter) -> Letter | None:
    """The letter that it was matched with when it came, if it is still there."""
    found: Letter | None = None
    match letter.match.method:
        case "in_reply_to" | "references":
            known = await related.by_header_ids(reader, letter.mailbox_id, [letter.match.evidence])
            found = known.get(letter.match.evidence)
        case "thread_index":
            found = await related.by_thread_index(reader, letter.mailbox_id, letter.match.evidence)
        case "answered":
            found = await related.that_answers(reader, letter.mailbox_id, letter.header_id)
        case "reply_address" | "bounce_address":
            found = await _signed_for(reader, secret, letter.match.evidence)
    is_another = found is not None and found.number != letter.number and found.mailbox_id == letter.mailbox_id
    return found if is_another else None


async def _signed_for(reader: Reader, secret: bytes, text: str) -> Letter | None:
    try:
        address = parse_address(text)
    except InvalidAddress:
        return None
    message_id = reply_address.decode(address, secret) or bounce_address.decode(address, secret)
    return await records.find(reader, message_id) if message_id else None


async def _join(tx: Transaction, letter: Letter, parent: Letter) -> Letter:
    """In the parent's thread; the one that it was alone in leads there."""
    alone = await threads.find(tx, letter.tenant_id, letter.thread_id)
    into = await threads.find(tx, letter.tenant_id, parent.thread_id)
    if alone is None or into is None or alone.id == into.id:
        return letter
    await changes.merge(tx, alone, into)
    return replace(letter, thread_id=into.id)


async def _was_told(reader: Reader, letter: Letter) -> bool:
    events = await log.of_message(reader, letter.message_id)
    return any(event.kind == EventKind.MESSAGE_RECEIVED for event in events)


async def _tell(tx: Transaction, clock: Clock, letter: Letter, parent: Letter | None) -> None:
    """As if it came now, with what was said when it was put aside."""
    events = await log.of_message(tx, letter.message_id)
    said = next((event.data for event in events if event.kind in _PUT_ASIDE), {})
    data = {**said, "thread_id": letter.thread_id, "let_in": True}
    await _append(tx, clock, EventKind.MESSAGE_RECEIVED, letter, letter.message_id, data)
    if parent is None or parent.direction != "out" or letter.kind != "reply":
        return
    authentic = letter.authentication is not None and letter.authentication.is_authentic
    answer = {
        "reply": letter.message_id,
        "thread_id": letter.thread_id,
        "from": letter.sender,
        "subject": letter.subject,
        "intent": letter.intent,
        "authentic": authentic,
    }
    await _append(tx, clock, EventKind.MESSAGE_REPLIED, letter, parent.message_id, answer)


async def _append(
    tx: Transaction, clock: Clock, kind: EventKind, letter: Letter, message_id: str, data: Details
) -> None:
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=letter.tenant_id,
        mailbox_id=letter.mailbox_id,
        message_id=message_id,
        data=data,
    )
