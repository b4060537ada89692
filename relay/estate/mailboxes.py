"""A tenant's mailboxes: added, changed and removed together with what hangs on them.

A password that somebody chose is hashed off the loop; one that we make is
told once, and stands nowhere else.
"""

from dataclasses import dataclass

from msgspec import UNSET

from relay.config import WarmupPlan
from relay.config.warmup import PLANS
from relay.estate import addresses
from relay.guards import acquaintances
from relay.lists import records as lists
from relay.policy import caps as allowance
from relay.policy import health
from relay.policy.caps import Caps, Standing
from relay.policy.warmup import parse_plan
from relay.queue import listing
from relay.station import Station
from relay.store.database import Reader, Transaction, Work
from relay.tenants import domains, mailbox_changes, passwords
from relay.tenants.mailbox_changes import MailboxChanges, NewMailbox
from relay.tenants.mailboxes import Mailbox

CHANGEABLE = tuple(name for name in MailboxChanges.__struct_fields__ if name != "warmup_name")


@dataclass(frozen=True, slots=True)
class MailboxView:
    """A mailbox with today's allowance. `smtp_password` is there only where it has just been made."""

    mailbox: Mailbox
    standing: Standing
    domain_verified: bool
    smtp_password: str | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """What to tell, and what to keep: both None where there is none."""

    told: str | None = None
    hashed: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, and how many recipients of its mail are still to be delivered."""

    mailbox: Mailbox
    waiting: int


async def describe(
    station: Station, reader: Reader, mailbox: Mailbox, smtp_password: str | None = None
) -> MailboxView:
    """A mailbox as it stands today."""
    policy = station.config.policy
    caps = Caps(station.clock, policy.default_daily_cap, policy.cap_timezone)
    standing = await caps.standing(reader, mailbox)
    domain = await domains.find(reader, mailbox.address.domain)
    return MailboxView(mailbox, standing, domain is not None and domain.is_verified, smtp_password)


def adding(
    station: Station, tenant_id: str, wanted: NewMailbox, password: Password, *, domain: str | None = None
) -> Work[MailboxView]:
    """The work that adds a mailbox. Run it through `directory.change`.

    Without an address it gets one from its name, at `domain` or at the
    tenant's first verified one. Raises as `mailbox_changes.add`, and NoVerifiedDomain.
    """

    async def work(tx: Transaction) -> MailboxView:
        new = wanted
        if not new.address:
            new = await addresses.give_address(tx, tenant_id, wanted, domain)
        mailbox = await mailbox_changes.add(tx, station.clock, tenant_id, new, password.hashed)
        return await describe(station, tx, mailbox, password.told)

    return work


def changing(
    station: Station, mailbox: Mailbox, changes: MailboxChanges, password: Password
) -> Work[MailboxView]:
    """The work that changes what is given, all of it or nothing; a password only where there is one.

    Run it through `directory.change`. Raises NotFound, InvalidInput, AlreadyExists.
    """

    async def work(tx: Transaction) -> MailboxView:
        changed = mailbox
        if password.hashed is not None:
            await mailbox_changes.set_password_hash(tx, station.clock, mailbox, password.hashed)
        if any(getattr(changes, name) is not UNSET for name in CHANGEABLE):
            changed = await mailbox_changes.update(tx, station.clock, mailbox.tenant_id, mailbox.id, changes)
        return await describe(station, tx, changed, password.told)

    return work


async def remove(station: Station, mailbox: Mailbox) -> Removed:
    """The mailbox is gone with its lists and keys; what it sent and received stays, what waits goes out."""
    waiting = await listing.count_waiting(station.db, mailbox.id)

    async def work(tx: Transaction) -> None:
        await allowance.forget(tx, mailbox.id)
        await health.forget(tx, mailbox.id)
        await lists.forget(tx, mailbox.id)
        await acquaintances.forget(tx, mailbox.id)
        await mailbox_changes.remove(tx, station.clock, mailbox)

    await station.directory.change(work)
    station.lists.forget()
    return Removed(mailbox, waiting)


def made_password() -> Password:
    """One of ours: nobody can guess it, so its digest is enough to keep."""
    made = passwords.make_password()
    return Password(made, passwords.hash_made(made))


async def chosen_password(station: Station, chosen: str) -> Password:
    """One that somebody chose, and need not be told. Raises InvalidInput for one that is too short."""
    return Password(None, await station.directory.passwords.hash_chosen(chosen))


def read_plan(station: Station, text: str) -> tuple[WarmupPlan, str | None]:
    """A warm-up plan as people write it, and its name where it was named and not spelled out."""
    plans = station.config.policy.warmup
    name = text.strip()
    return parse_plan(text, plans), name if name in {**PLANS, **plans} else None
