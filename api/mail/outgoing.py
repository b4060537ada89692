"""A message about to be composed: who it is from and to, what it says, in which conversation."""

from datetime import datetime

from msgspec import Struct, field

from api.call import Call
from api.mail.files import files_of
from api.mail.marks import NO_MARKS, Marks
from api.mail.people import People, people_of, person_of
from api.mail.wishes import NewMessage, Written, labels_of, metadata_of, printable, tags_of
from api.problems import Problem, invalid
from api.tenant_wide import check_tenant_wide
from inbound.letters.letter import Letter
from relay.address import Address, parse_address
from relay.message.compose import ComposedAttachment
from relay.message.person import Person
from relay.submission.control_fields import MAX_AHEAD, Wishes
from relay.tenants.mailboxes import Mailbox

# Ours to write, or instructions to programs on the way that nobody meant to give (RFC 5322 §3.6.6).
_OURS = ("thread-index",)
_NOT_HERE = "resent-"


class Outgoing(Struct, frozen=True, kw_only=True):
    """What is sent. `new_text` and `new_html` are what was written, without any quote.

    Without text, what the HTML says counts as the text. `answers` is the
    letter whose conversation it joins.
    """

    mailbox: Mailbox
    sender: Person
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    new_text: str | None = None
    new_html: str | None = None
    attachments: tuple[ComposedAttachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    answers: Letter | None = None
    labels: tuple[str, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)
    marks: Marks = NO_MARKS


def new_message(call: Call, mailbox: Mailbox, wish: NewMessage) -> Outgoing:
    """A message that begins a conversation; raises Problem (422, 413)."""
    return written(call, mailbox, wish, to=wish.to, cc=wish.cc, bcc=wish.bcc, subject=wish.subject)


def written(
    call: Call,
    mailbox: Mailbox,
    wish: Written,
    *,
    to: People,
    cc: People,
    bcc: People,
    subject: str,
) -> Outgoing:
    """What the wish says, to these people; raises Problem (422, 413)."""
    own = Person(str(mailbox.address), mailbox.name)
    sender = own if wish.sender is None else person_of(wish.sender, "$.from")
    check_author(call, mailbox, sender)
    html = wish.html or None
    return Outgoing(
        mailbox=mailbox,
        sender=sender,
        to=people_of(to, "$.to"),
        cc=people_of(cc, "$.cc"),
        bcc=people_of(bcc, "$.bcc"),
        reply_to=people_of(wish.reply_to, "$.reply_to"),
        subject=subject,
        text=wish.text,
        html=html,
        new_text=wish.text,
        new_html=html,
        attachments=files_of(wish.attachments),
        headers=_headers(wish),
        labels=labels_of(wish.labels),
        wishes=Wishes(
            tags=tags_of(wish.tags),
            metadata=metadata_of(wish.metadata),
            send_at=check_send_at(wish.send_at, call.house.clock.now()),
            pool=None if wish.pool is None else _pool(call, wish.pool),
        ),
    )


def check_author(call: Call, mailbox: Mailbox, sender: Person) -> None:
    """Raise Problem (403) where the key is bound to domains, and this is none of them."""
    reach, domain = call.caller.reach, parse_address(sender.address).domain
    if reach is not None and not reach.may_write_as(mailbox, domain):
        raise Problem(403, "sender_not_allowed", f"This key may not write from an address at {domain}.")


def recipients_of(outgoing: Outgoing, most: int) -> list[Address]:
    """Everybody it goes to, once each; raises Problem (422) where that is nobody, or more than `most`."""
    people = (*outgoing.to, *outgoing.cc, *outgoing.bcc)
    found = {address.key: address for address in (parse_address(person.address) for person in people)}
    if not found:
        raise invalid("$.to", "names nobody; a message has at least one recipient")
    if len(found) > most:
        raise invalid("$.to", f"{len(found)} recipients are more than {most}, which one message has at most")
    return list(found.values())


def _pool(call: Call, pool: str) -> str:
    """The pool whose mailboxes may send it; raises Problem (403) for a key of one inbox alone."""
    check_tenant_wide(call)
    return printable(pool, "$.pool")


def _headers(wish: Written) -> tuple[tuple[str, str], ...]:
    for name in wish.headers:
        if name.lower() in _OURS or name.lower().startswith(_NOT_HERE):
            raise invalid(f"$.headers.{name}", "this field is ours to write")
    return tuple(wish.headers.items())


def check_send_at(wanted: datetime | None, now: datetime) -> datetime | None:
    """The instant, None for one that has come already; raises Problem (422)."""
    if wanted is None:
        return None
    if wanted.tzinfo is None:
        raise invalid("$.send_at", "needs a time zone: add Z for UTC")
    if wanted - now > MAX_AHEAD:
        raise invalid("$.send_at", f"is more than {MAX_AHEAD.days} days ahead")
    return wanted if wanted > now else None
