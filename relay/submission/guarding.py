"""What the guards of an inbox, and of the key that sends, make of a message: no, not now, or ask first.

`examine` says what needs no transaction; `enter` counts new recipients, and
says whether a person is asked, in the transaction that takes the message. Mail
without guards is not looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.address import Address
from relay.clock import Clock, span_us, to_us
from relay.guards import acquaintances, approvals
from relay.guards.onlooker import Conversation, Onlooker, Said
from relay.message.headers import Header
from relay.message.links import host_of
from relay.policy.caps import Caps
from relay.spool.records import Message
from relay.store.database import Database, Transaction
from relay.submission.draft import Draft
from relay.submission.guarded import (
    SHOWN,
    AttachmentNotAllowed,
    LinkNotAllowed,
    NewRecipientsReached,
    RecipientGuarded,
)
from relay.tenants.guards import Approval, Guards
from relay.tenants.mailboxes import Mailbox

# What was taken just now may be committed later than its time says.
OVERLAP = timedelta(minutes=10)
MARKED_EVERY = timedelta(hours=1)

_STRICTNESS: tuple[Approval, ...] = ("never", "first_contact", "always")


@dataclass(frozen=True, slots=True)
class Rule:
    """Guards, and whose they are: the id of an inbox or a key."""

    owner: str
    guards: Guards


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guards made of it: `approval` says why a person is asked, `told` is for people."""

    approval: Approval = "never"
    approvers: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


FREE = Verdict()


@dataclass(frozen=True, slots=True)
class Guarding:
    """Holds what guarding takes. A person who is asked has `answered_within` for it."""

    db: Database
    clock: Clock
    caps: Caps
    onlooker: Onlooker
    answered_within: timedelta

    async def check_recipients(self, mailbox: Mailbox, addresses: Sequence[Address]) -> None:
        """Raise RecipientGuarded for the first whom the inbox's own guards keep out."""
        if mailbox.guards is not None:
            await self._check_recipients(mailbox, Rule(mailbox.id, mailbox.guards), addresses)

    async def examine(self, draft: Draft, header: Header) -> None:
        """Raise what the guards say of the message before it is counted.

        That is RecipientGuarded, LinkNotAllowed, AttachmentNotAllowed, or
        NobodyReads where a guarded message cannot be read now.
        """
        rules = rules_of(draft)
        if not rules or draft.mailbox is None:
            return
        addresses = [recipient.address for recipient in draft.envelope.recipients]
        for rule in rules:
            await self._check_recipients(draft.mailbox, rule, addresses)
        if any(rule.guards.looks_at_content for rule in rules):
            await self._check_content(draft, draft.mailbox, header, rules)
        if any(rule.guards.knows_strangers for rule in rules):
            await self._catch_up(draft.mailbox, addresses)

    async def enter(self, tx: Transaction, draft: Draft, addresses: Sequence[Address]) -> Verdict:
        """Count the new ones among those it goes to, and say whether a person is asked first.

        Raises NewRecipientsReached. A trial is counted nowhere.
        """
        rules, mailbox = rules_of(draft), draft.mailbox
        if not rules or mailbox is None or not addresses:
            return FREE
        strangers: list[Address] = []
        if any(rule.guards.knows_strangers for rule in rules):
            known = await acquaintances.known_among(tx, mailbox.id, addresses)
            strangers = [address for address in addresses if not known.get(address.key)]
        verdict = _asks(rules, strangers)
        if strangers and not draft.is_test:
            told = await self._count(tx, mailbox, rules, strangers, waits=verdict.approval != "never")
            return Verdict(verdict.approval, verdict.approvers, (*verdict.told, *told))
        return verdict

    async def ask(self, tx: Transaction, message: Message, verdict: Verdict) -> str:
        """Have the message wait for a person; returns the id of what is asked."""
        assert message.mailbox_id is not None
        now = self.clock.now()
        asked = approvals.Approval(
            id=approvals.new_approval_id(self.clock),
            tenant_id=message.tenant_id,
            mailbox_id=message.mailbox_id,
            message_id=message.id,
            credential=message.credential,
            why=verdict.approval,
            is_test=message.is_test,
            approvers=verdict.approvers,
            status="pending",
            created_at=now,
            expires_at=now + self.answered_within,
        )
        await approvals.insert(tx, asked)
        return asked.id

    async def _check_recipients(self, mailbox: Mailbox, rule: Rule, addresses: Sequence[Address]) -> None:
        guards = rule.guards
        if not guards.looks_at_recipients:
            return
        others = [address for address in addresses if not guards.lists(address)]
        if others and guards.only_who_wrote_first:
            wrote = await self.onlooker.reads.who_wrote(mailbox.id, others)
            others = [address for address in others if address.key not in wrote]
        if others:
            raise RecipientGuarded(_named(mailbox, rule), others[0], guards)

    async def _check_content(
        self, draft: Draft, mailbox: Mailbox, header: Header, rules: Sequence[Rule]
    ) -> None:
        reads = self.onlooker.reads
        said = await reads.read(draft.content.header, draft.content.body, draft.written)
        before = Conversation()
        if said.links or said.attachments:
            sizes = {each.size for each in said.attachments}
            before = await reads.conversation(mailbox.id, _answered(header), sizes, draft.answers)
        for rule in rules:
            _check_links(_named(mailbox, rule), rule.guards, said, before)
            _check_attachments(_named(mailbox, rule), rule.guards, said, before)

    async def _catch_up(self, mailbox: Mailbox, addresses: Sequence[Address]) -> None:
        """Note to whom the inbox wrote without guards, where one of these is not known."""
        known = await acquaintances.known_among(self.db, mailbox.id, addresses)
        if all(known.get(address.key) for address in addresses):
            return
        upto = await acquaintances.looked_through_until(self.db, mailbox.id)
        now = to_us(self.clock.now())
        place: tuple[int, int] | None = (upto - span_us(OVERLAP), 0)
        while place is not None:
            found, place = await acquaintances.look_through(self.db, mailbox.id, place)
            await self._confirm(mailbox, found)
        if upto <= now - span_us(OVERLAP + MARKED_EVERY):
            tenant_id, until = mailbox.tenant_id, now - span_us(OVERLAP)
            await self.db.transact(lambda tx: acquaintances.mark(tx, tenant_id, mailbox.id, until))

    async def _confirm(self, mailbox: Mailbox, found: Sequence[Address]) -> None:
        """These have got mail; nothing is written where that is known."""
        known = await acquaintances.known_among(self.db, mailbox.id, found)
        fresh = [address for address in found if not known.get(address.key)]
        if fresh:
            tenant_id = mailbox.tenant_id
            await self.db.transact(
                lambda tx: acquaintances.confirm(tx, tenant_id, mailbox.id, fresh), lengthy=True
            )

    async def _count(
        self,
        tx: Transaction,
        mailbox: Mailbox,
        rules: Sequence[Rule],
        strangers: Sequence[Address],
        *,
        waits: bool,
    ) -> list[str]:
        """What was counted, in words; raises NewRecipientsReached."""
        new = await acquaintances.note(tx, mailbox.tenant_id, mailbox.id, strangers, confirmed=not waits)
        if not waits:
            await acquaintances.confirm(tx, mailbox.tenant_id, mailbox.id, strangers)
        told, day = [], self.caps.today()
        for rule in rules:
            most = rule.guards.new_recipients_per_day
            if not new or most is None:
                continue
            used = await acquaintances.count_new(tx, mailbox.tenant_id, rule.owner, day, new, most)
            if used is None:
                resets_at = self.caps.end_of(day)
                raise NewRecipientsReached(_named(mailbox, rule), most, new, resets_at)
            told.append(f"{used} of {most} new recipients of {_named(mailbox, rule)} on {day}")
        return told


def rules_of(draft: Draft) -> tuple[Rule, ...]:
    """The guards that bear on it: the inbox's, and those of the key that sends."""
    if draft.mailbox is None:
        return ()
    owners = ((draft.mailbox.id, draft.mailbox.guards), (draft.origin.login or "", draft.key_guards))
    return tuple(Rule(owner, guards) for owner, guards in owners if guards is not None)


def _asks(rules: Sequence[Rule], strangers: Sequence[Address]) -> Verdict:
    """The strictest rule decides; whoever any of them names is asked."""
    asking = [rule.guards for rule in rules if _holds(rule.guards, strangers)]
    if not asking:
        return FREE
    why = max((guards.approval for guards in asking), key=_STRICTNESS.index)
    approvers = tuple(dict.fromkeys(guards.approver for guards in asking if guards.approver))
    first = ", ".join(map(str, strangers[:3]))
    told = "approval: always" if why == "always" else f"approval: first mail to {first}"
    return Verdict(why, approvers, (told[:SHOWN],))


def _holds(guards: Guards, strangers: Sequence[Address]) -> bool:
    return guards.approval == "always" or (guards.approval == "first_contact" and bool(strangers))


def _check_links(owner: str, guards: Guards, said: Said, before: Conversation) -> None:
    if guards.links == "any":
        return
    for link in said.links:
        if link not in before.links and not guards.lists_host(host_of(link)):
            raise LinkNotAllowed(owner, link)


def _check_attachments(owner: str, guards: Guards, said: Said, before: Conversation) -> None:
    if guards.attachments == "any":
        return
    for each in said.attachments:
        if guards.attachments == "none" or each.digest not in before.attachments:
            raise AttachmentNotAllowed(owner, each.filename, guards)


def _answered(header: Header) -> list[str]:
    """The Message-IDs that its header names as answered."""
    fields: Iterable[str] = (*header.all("in-reply-to"), *header.all("references"))
    return list(dict.fromkeys(each for value in fields for each in value.split() if each.startswith("<")))[
        -100:
    ]


def _named(mailbox: Mailbox, rule: Rule) -> str:
    return str(mailbox.address) if rule.owner == mailbox.id else f"the key {rule.owner}"
