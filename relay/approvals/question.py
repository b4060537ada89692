"""The mail that asks somebody to approve a message: whom it is to, what it says, and how to decide.

Its Reply-To is a signed address of ours, so that an answer finds its way where
the inbox's domain receives here. It stands nowhere else: events tell of authors.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from relay.address import NULL_PATH, Address, parse_address
from relay.guards.approvals import Approval
from relay.guards.onlooker import NobodyReads, NotWhole, Said
from relay.message.compose import compose
from relay.message.composition import Composition
from relay.message.content import Body, Content, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.headers import new_message_id
from relay.message.person import Person
from relay.message.trace import Origin
from relay.queue import records as queue
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.station import Station
from relay.submission.accept import Acceptor
from relay.submission.draft import Draft
from relay.tenants import approval_address
from relay.tenants.mailboxes import Mailbox

SOURCE = "approval"
TEXT_SHOWN = 20_000
LINKS_SHOWN = 200
RECIPIENTS_SHOWN = 50
_WHY = {"first_contact": "it is the first mail to somebody there", "always": "you are asked each time"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one message."""

    approval: Approval
    mailbox: Mailbox
    message: Message
    recipients: tuple[str, ...]
    said: Said | None
    public_url: str
    answers_to: Address | None
    is_repeated: bool = False

    @property
    def subject(self) -> str:
        return f"Approve? {self.message.subject}"[:200]

    @property
    def text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        approval = self.approval
        if self.is_repeated:
            yield "Your answer was not understood, and nothing is decided yet."
            yield ""
        yield f"{self.mailbox.address} wants to send this message, and its guards ask you first."
        yield ""
        yield f"To:       {self._to()}"
        yield f"Subject:  {self.message.subject}"
        yield f"Why:      {_WHY.get(approval.why, approval.why)}"
        yield f"Until:    {approval.expires_at:%Y-%m-%d %H:%M} UTC; after that it is not sent"
        yield ""
        yield from self._how()
        yield from self._holds()
        yield ""
        yield "---- The message ----"
        yield self.said.text[:TEXT_SHOWN] if self.said else "(It cannot be shown here.)"

    def _how(self) -> Iterator[str]:
        path = f"{self.public_url.rstrip('/')}/v1/approvals/{self.approval.id}"
        if self.answers_to is not None:
            yield "To decide, answer this mail with one word on the first line: approve or reject."
            yield "Behind reject, the next lines are kept as the reason."
            yield ""
        yield f"On the machine:  posthouse approval approve {self.approval.id}   (or reject)"
        yield f"Over the API:    POST {path}/approve   (or /reject)"

    def _holds(self) -> Iterator[str]:
        if self.said is None:
            return
        yield ""
        yield "Links:" if self.said.links else "Links: none"
        yield from (f"  {link}" for link in self.said.links[:LINKS_SHOWN])
        if len(self.said.links) > LINKS_SHOWN:
            yield f"  and {len(self.said.links) - LINKS_SHOWN} more"
        yield "Attachments:" if self.said.attachments else "Attachments: none"
        for each in self.said.attachments:
            yield f"  {each.filename or '(no name)'} ({each.content_type}, {each.size} octets)"

    def _to(self) -> str:
        more = len(self.recipients) - RECIPIENTS_SHOWN
        told = ", ".join(self.recipients[:RECIPIENTS_SHOWN])
        return f"{told} and {more} more" if more > 0 else told


async def ask(station: Station, acceptor: Acceptor, approval: Approval) -> int:
    """Take on a question to each approver, once however often this is asked; returns how many there are."""
    loaded = await spool.load(station.db, approval.message_id)
    mailbox = await station.directory.mailbox(approval.mailbox_id)
    if loaded is None or mailbox is None or loaded[1].is_purged:
        return 0
    question = await _question(station, approval, mailbox, *loaded)
    for approver in approval.approvers:
        await _send(station, acceptor, question, parse_address(approver))
    return len(approval.approvers)


async def ask_again(station: Station, acceptor: Acceptor, approval: Approval, approver: str) -> None:
    """Say to an approver, once, that what was answered decides nothing."""
    loaded = await spool.load(station.db, approval.message_id)
    mailbox = await station.directory.mailbox(approval.mailbox_id)
    if loaded is None or mailbox is None or loaded[1].is_purged:
        return
    question = replace(await _question(station, approval, mailbox, *loaded), is_repeated=True)
    await _send(station, acceptor, question, parse_address(approver))


async def _question(
    station: Station, approval: Approval, mailbox: Mailbox, message: Message, stored: StoredContent
) -> Question:
    domain = await station.directory.domain(mailbox.address.domain)
    answers_to = None
    if domain is not None and domain.receives_at is not None:
        secret = station.bounce_secret
        answers_to = approval_address.encode(message.id, secret, mailbox.address.domain)
    return Question(
        approval,
        mailbox,
        message,
        tuple(str(row.address) for row in await queue.of_message(station.db, message.id)),
        await _said(station, message, stored),
        station.config.api.public_url,
        answers_to,
    )


async def _said(station: Station, message: Message, stored: StoredContent) -> Said | None:
    data, file = await station.shelf.open(stored.body, stored.body_file)
    try:
        return await station.onlooker.reads.read(stored.header, Body(data, file, message.body_size))
    except (NobodyReads, NotWhole):
        return None


async def _send(station: Station, acceptor: Acceptor, question: Question, approver: Address) -> None:
    domain = question.mailbox.address.domain
    name = f"Approval for {question.mailbox}"
    answers_to = (Person(str(question.answers_to), name),) if question.answers_to else ()
    composition = Composition(
        sender=Person(str(question.mailbox.address), name),
        to=(Person(str(approver)),),
        reply_to=answers_to,
        subject=_one_line(question.subject),
        text=question.text,
        headers=(("X-Auto-Response-Suppress", "All"),),
        message_id=new_message_id(domain, station.clock),
        date=station.clock.now(),
        auto_submitted="auto-generated",
    )
    writer = ContentWriter(station.shelf.incoming, size_limit=2 * station.config.limits.message_size)
    try:
        draft = Draft(
            tenant_id=question.approval.tenant_id,
            mailbox=None,
            envelope=Envelope(
                reverse_path=NULL_PATH,
                recipients=[EnvelopeRecipient(approver, "NEVER")],
                smtputf8=composition.needs_utf8,
            ),
            content=await asyncio.to_thread(_content, writer, composition),
            origin=Origin(source=SOURCE),
            guards=(_key(question, approver),),
            signing_domain=domain,
        )
        await acceptor.accept(draft)
    finally:
        writer.discard()


def _key(question: Question, approver: Address) -> str:
    """Under which nobody is asked twice, nor told twice that an answer was not understood."""
    what = "approval-again" if question.is_repeated else "approval"
    return f"{what}:{question.approval.id}:{approver.key}"


def _content(writer: ContentWriter, composition: Composition) -> Content:
    header, body = compose(composition)
    writer.feed(header + b"\r\n")
    writer.feed(body)
    return writer.finish()


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
