"""Mailboxes whose mail bounces or annoys too much: warned of, kept from growing, paused if we are told to.

Runs after counting, as a reader of the figures; what it decides stands in the
rooms that own the rules (`policy.health`, `policy.allowances`, `tenants`).
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

from relay.analytics import reading
from relay.clock import Clock, to_us
from relay.config import PolicyConfig
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy import allowances, days, health
from relay.policy.health import Excess, Health, Rates
from relay.store.database import Database, Transaction
from relay.tenants import mailbox_changes, mailboxes
from relay.tenants.directory import Directory
from relay.tenants.mailbox_changes import MailboxChanges
from relay.tenants.mailboxes import Mailbox, MailboxStatus

logger = logging.getLogger("posthouse.figures")
_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at one mailbox at a time; whichever node looks, each change is told once."""

    db: Database
    clock: Clock
    policy: PolicyConfig
    directory: Directory

    async def look(self, mailbox_id: str) -> None:
        """Judge it by its figures as they are now."""

        async def work(tx: Transaction) -> bool:
            mailbox = await mailboxes.find(tx, mailbox_id)
            if mailbox is None:
                await health.forget(tx, mailbox_id)
                return False
            return await self._judge(tx, mailbox)

        if await self.db.transact(work, lengthy=True):
            self.directory.forget()

    async def look_again(self) -> None:
        """Judge those that were in bad health: some may be well; others have another day to stand still."""
        for mailbox_id in await health.in_bad_health(self.db):
            await self.look(mailbox_id)

    async def _judge(self, tx: Transaction, mailbox: Mailbox) -> bool:
        """Whether the mailbox itself was changed."""
        known = await health.find(tx, mailbox.id)
        rates = await reading.rates(tx, mailbox.tenant_id, mailbox.id, self.clock.now(), known.judged_from)
        pausing = health.pausing_rate(rates, self.policy)
        excess = health.bad_rate(rates, self.policy) or pausing
        await self._tell_change(tx, mailbox, known, rates, excess)
        if excess is not None and mailbox.warmup is not None:
            await allowances.stall(tx, mailbox, days.day_of(self.clock.now(), self.policy.cap_timezone))
        if pausing is None or mailbox.status is not MailboxStatus.ACTIVE:
            return False
        await self._pause(tx, mailbox, rates, pausing)
        return True

    async def _tell_change(
        self, tx: Transaction, mailbox: Mailbox, known: Health, rates: Rates, excess: Excess | None
    ) -> None:
        state: health.State = "well" if excess is None else "bad"
        if state == known.state:
            return
        await health.note(tx, mailbox.tenant_id, mailbox.id, state, to_us(self.clock.now()))
        kind = EventKind.MAILBOX_RATES_RECOVERED if excess is None else EventKind.MAILBOX_RATES_EXCEEDED
        await self._tell(tx, kind, mailbox, rates, excess)

    async def _pause(self, tx: Transaction, mailbox: Mailbox, rates: Rates, excess: Excess) -> None:
        paused = MailboxChanges(status=MailboxStatus.PAUSED)
        await mailbox_changes.update(tx, self.clock, mailbox.tenant_id, mailbox.id, paused)
        await self._tell(tx, EventKind.MAILBOX_PAUSED, mailbox, rates, excess)

    async def _tell(
        self, tx: Transaction, kind: EventKind, mailbox: Mailbox, rates: Rates, excess: Excess | None
    ) -> None:
        level = logging.INFO if excess is None else logging.WARNING
        logger.log(level, "%s: %s: %s", kind.value, mailbox, _words(rates))
        data: dict[str, Any] = {"address": str(mailbox.address), **figures(rates)}
        if excess is not None:
            data |= {"exceeded": excess.what, "threshold": excess.threshold}
        await log.append(tx, self.clock, kind, tenant_id=mailbox.tenant_id, mailbox_id=mailbox.id, data=data)


def figures(rates: Rates) -> dict[str, Any]:
    """The rates with what they are made of."""
    return {
        "days": health.WINDOW.days,
        "sent": rates.sent,
        "delivered": rates.delivered,
        "bounced": rates.bounced,
        "complained": rates.complained,
        "bounce_rate": rounded(rates.bounce_rate),
        "complaint_rate": rounded(rates.complaint_rate),
    }


def rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, _DIGITS)


def _words(rates: Rates) -> str:
    return f"{rates.bounced} of {rates.sent} bounced, {rates.complained} of {rates.delivered} complained"
