"""What an inbox, or a program with its key, may send only so: to whom, what, and with whose consent.

The rules are data here; `submission.guarding` applies them.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from relay.address import Address, InvalidAddress, parse_address, parse_domain
from relay.errors import InvalidInput, about
from relay.tenants.entries import entries_for, read_entry

MAX_ENTRIES = 1000
MAX_A_DAY = 1_000_000_000

Links = Literal["any", "known"]
Attachments = Literal["any", "forwarded", "none"]
Approval = Literal["never", "first_contact", "always"]


class Guards(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """At its defaults nothing is guarded.

    `allowed_recipients` are addresses and domains; with `only_who_wrote_first`
    those who did are allowed besides, and without either everybody is. A
    known link stood in the conversation, or leads to one of `link_domains`.
    A forwarded attachment came in the conversation. `approver` is asked by mail.
    """

    allowed_recipients: tuple[str, ...] = ()
    only_who_wrote_first: bool = False
    new_recipients_per_day: int | None = None
    links: Links = "any"
    link_domains: tuple[str, ...] = ()
    attachments: Attachments = "any"
    approval: Approval = "never"
    approver: str | None = None

    @property
    def looks_at_recipients(self) -> bool:
        return bool(self.allowed_recipients) or self.only_who_wrote_first

    @property
    def looks_at_content(self) -> bool:
        return self.links != "any" or self.attachments != "any"

    @property
    def knows_strangers(self) -> bool:
        """Whether it matters to whom the inbox has written before."""
        return self.new_recipients_per_day is not None or self.approval == "first_contact"

    def lists(self, address: Address) -> bool:
        """Whether `allowed_recipients` means it."""
        return any(entry in self.allowed_recipients for entry in entries_for(address))

    def lists_host(self, host: str) -> bool:
        """Whether `link_domains` means this host: by its own name, or by a domain above it."""
        labels = host.split(".")
        return any(".".join(labels[place:]) in self.link_domains for place in range(len(labels)))


class GuardChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is not given stays."""

    allowed_recipients: tuple[str, ...] | UnsetType = UNSET
    only_who_wrote_first: bool | UnsetType = UNSET
    new_recipients_per_day: int | UnsetType | None = UNSET
    links: Links | UnsetType = UNSET
    link_domains: tuple[str, ...] | UnsetType = UNSET
    attachments: Attachments | UnsetType = UNSET
    approval: Approval | UnsetType = UNSET
    approver: str | UnsetType | None = UNSET


def merged(before: Guards | None, changes: msgspec.Struct) -> Guards:
    """The guards with what `changes`, a struct of such fields, gives."""
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    return msgspec.structs.replace(before or Guards(), **given)


def checked(wanted: Guards | None) -> Guards | None:
    """The guards in the form in which they are kept, None where they guard nothing; raises InvalidInput."""
    if wanted is None:
        return None
    with about("allowed_recipients"):
        recipients = _each_once(map(read_entry, wanted.allowed_recipients))
    with about("link_domains"):
        domains = _each_once(map(_domain, wanted.link_domains))
    a_day = wanted.new_recipients_per_day
    if a_day is not None and not 0 <= a_day <= MAX_A_DAY:
        raise InvalidInput(f"is a number of recipients from 0 to {MAX_A_DAY}", "new_recipients_per_day")
    approver = _approver(wanted.approver) if wanted.approver else None
    kept = msgspec.structs.replace(
        wanted, allowed_recipients=recipients, link_domains=domains, approver=approver
    )
    return None if kept == Guards() else kept


def pack(guards: Guards | None) -> str | None:
    return None if guards is None else msgspec.json.encode(guards).decode()


def unpack(text: str | None) -> Guards | None:
    return None if text is None else msgspec.json.decode(text, type=Guards)


def _each_once(entries: Iterable[str]) -> tuple[str, ...]:
    found = tuple(sorted(set(entries)))
    if len(found) > MAX_ENTRIES:
        raise InvalidInput(f"more than {MAX_ENTRIES} entries")
    return found


def _domain(text: str) -> str:
    try:
        return parse_domain(text.strip().rstrip("."))
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is no domain: {error}") from error


def _approver(text: str) -> str:
    try:
        return parse_address(text.strip()).key
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is no address: {error}", "approver") from error
