"""Answers and forwards: what they take over from the message they are about.

That message may have been written to do harm: whatever of it cannot be said
again is left out or replaced, so that every letter can be answered.
"""

import html as entities
import re
from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec.structs import replace

from api.call import Call
from api.mail.loops import check_answerable
from api.mail.outgoing import Outgoing, written
from api.mail.wishes import NewForward, NewReply
from inbound.letters import texts
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from relay.address import Address, InvalidAddress, parse_address
from relay.clock import from_us
from relay.message import reply
from relay.message.person import Person
from relay.spool import records as spool
from relay.tenants import reply_address
from relay.tenants.mailboxes import Mailbox

_UNSAYABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


async def answer(call: Call, mailbox: Mailbox, letter: Letter, wish: NewReply, *, everyone: bool) -> Outgoing:
    """An answer in the letter's conversation, to whoever the letter wants answered.

    Raises Problem (422), and AutomaticMessage for what a program wrote.
    """
    check_answerable(letter, forced=wish.allow_automatic)
    about = _facts(letter)
    to, cc = reply.recipients_of_reply(about, await _is_own(call, mailbox, about), everyone=everyone)
    outgoing = written(
        call,
        mailbox,
        wish,
        to=[] if wish.to is None else wish.to,
        cc=[] if wish.cc is None else wish.cc,
        bcc=wish.bcc,
        subject=reply.reply_subject(about.subject),
    )
    references = _references(letter)
    outgoing = replace(
        outgoing,
        to=to if wish.to is None else outgoing.to,
        cc=cc if wish.cc is None else outgoing.cc,
        # An id that is none cannot be named; References leave it out as well.
        in_reply_to=letter.header_id if letter.header_id in references else None,
        references=references,
        answers=letter,
    )
    return await _with_quote(call, outgoing, letter, about) if wish.quote else outgoing


async def forward(call: Call, mailbox: Mailbox, letter: Letter, wish: NewForward) -> Outgoing:
    """The letter's text below the new one, for others; its attachments are added by whoever has them."""
    about = _facts(letter)
    outgoing = written(
        call,
        mailbox,
        wish,
        to=wish.to,
        cc=wish.cc,
        bcc=wish.bcc,
        subject=reply.forward_subject(about.subject),
    )
    said = await texts.find(call.house.db, letter.message_id) or Text()
    below_html = None
    if said.html is not None or outgoing.html is not None:
        below_html = reply.forward_html(said.html or _as_html(said.text), about)
    outgoing = _above(outgoing, reply.forward_text(said.text, about), below_html)
    return replace(outgoing, references=_references(letter), answers=letter)


async def _with_quote(call: Call, outgoing: Outgoing, letter: Letter, about: reply.Letter) -> Outgoing:
    """With the letter below it, in the forms that the answer has; as it is where the text is forgotten."""
    said = await texts.find(call.house.db, letter.message_id)
    if said is None:
        return outgoing
    below_html = None
    if outgoing.html is not None:
        below_html = reply.quote_html(said.html or _as_html(said.text), about.sender, about.at)
    return _above(outgoing, reply.quote_text(said.text, about.sender, about.at), below_html)


def _above(outgoing: Outgoing, text: str, html: str | None) -> Outgoing:
    """What was written above something else. HTML alone stays alone: half an alternative says half of it."""
    is_html_alone = outgoing.text is None and outgoing.html is not None
    above = (outgoing.text or "").rstrip()
    return replace(
        outgoing,
        text=None if is_html_alone else f"{above}\n\n{text}" if above else text,
        html=None if html is None else (outgoing.html or _as_html(outgoing.text)) + html,
    )


def _facts(letter: Letter) -> reply.Letter:
    people = letter.people
    return reply.Letter(
        sender=next(iter(_sayable(people.sender)), Person("")),
        reply_to=_sayable(people.reply_to) if letter.direction == "in" else (),
        to=_sayable(people.to),
        cc=_sayable(people.cc),
        subject=_UNSAYABLE.sub(" ", letter.subject),
        at=from_us(letter.at),
        is_ours=letter.direction == "out",
    )


def _sayable(people: tuple[Person, ...]) -> tuple[Person, ...]:
    return tuple(Person(person.address, _UNSAYABLE.sub(" ", person.name).strip()) for person in people)


def _references(letter: Letter) -> tuple[str, ...]:
    known = letter.references or ((letter.in_reply_to,) if letter.in_reply_to else ())
    return reply.references_for(letter.header_id, known)


async def _is_own(call: Call, mailbox: Mailbox, about: reply.Letter) -> Callable[[Address], bool]:
    """Whether an address leads to the mailbox: its own, an alias, or one that we signed for its mail.

    What we signed for another mailbox leads there, and is where that one wants its answer.
    """
    among = reply.is_among([str(mailbox.address), *map(str, mailbox.aliases)])
    signed = _signed_among(call, (about.sender, *about.reply_to, *about.to, *about.cc))
    messages = await spool.find_many(call.house.db, list(set(signed.values())))
    ours = {id_ for id_, message in messages.items() if message.mailbox_id == mailbox.id}
    return lambda address: among(address) or signed.get(address.key) in ours


def _signed_among(call: Call, people: Iterable[Person]) -> dict[str, str]:
    """The ids of the messages that signed addresses among them answer, by address key."""
    found: dict[str, str] = {}
    for person in people:
        with suppress(InvalidAddress):
            address = parse_address(person.address)
            if message_id := reply_address.decode(address, call.house.station.bounce_secret):
                found[address.key] = message_id
    return found


def _as_html(text: str | None) -> str:
    return f"<div>{entities.escape(text or '').replace(chr(10), '<br>')}</div>" if text else ""
