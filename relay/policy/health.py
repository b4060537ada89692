"""When a mailbox is in bad health: its rates of bounces and complaints against the house's thresholds.

Owns the table `mailbox_health`. Rates are judged only from a number of
recipients on, and never for one or two of them: a rate of few says little.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from relay.clock import from_us
from relay.config import PolicyConfig
from relay.store.database import Reader, Transaction

WINDOW: Final = timedelta(days=7)
FEW: Final = 3

State = Literal["well", "bad"]


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of a mailbox's mail in the window, in recipients."""

    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0

    @property
    def bounce_rate(self) -> float | None:
        """Of those that were tried; None where there were none."""
        return self.bounced / self.sent if self.sent else None

    @property
    def complaint_rate(self) -> float | None:
        """Of those that were delivered; None where there were none."""
        return self.complained / self.delivered if self.delivered else None


@dataclass(frozen=True, slots=True)
class Excess:
    """A rate that is above a threshold."""

    what: Literal["bounce_rate", "complaint_rate"]
    rate: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Health:
    """As it was last judged. `judged_from` is when a person last let the mailbox send."""

    state: State = "well"
    since: datetime | None = None
    judged_from: int = 0


def bad_rate(rates: Rates, policy: PolicyConfig) -> Excess | None:
    """The rate that is worth a warning, and that a warm-up stands still for; None: all is well."""
    return _excess(rates, policy, policy.warn_bounce_rate, policy.warn_complaint_rate)


def pausing_rate(rates: Rates, policy: PolicyConfig) -> Excess | None:
    """The rate for which the mailbox is to send no more; None: it may go on."""
    return _excess(rates, policy, policy.pause_bounce_rate, policy.pause_complaint_rate)


def _excess(rates: Rates, policy: PolicyConfig, bounces: float, complaints: float) -> Excess | None:
    """A threshold of 0 is none."""
    if rates.sent < policy.rate_minimum:
        return None
    bounce_rate, complaint_rate = rates.bounce_rate or 0.0, rates.complaint_rate or 0.0
    if complaints and rates.complained >= FEW and complaint_rate > complaints:
        return Excess("complaint_rate", complaint_rate, complaints)
    if bounces and rates.bounced >= FEW and bounce_rate > bounces:
        return Excess("bounce_rate", bounce_rate, bounces)
    return None


async def find(reader: Reader, mailbox_id: str) -> Health:
    """How it was last judged; well, where it never was."""
    row = await reader.fetch_one(
        "select state, since, judged_from from mailbox_health where mailbox_id = $1", mailbox_id
    )
    return Health(row["state"], from_us(row["since"]), row["judged_from"]) if row else Health()


async def in_bad_health(reader: Reader) -> dict[str, str]:
    """All that are, each with its tenant."""
    rows = await reader.fetch_all("select mailbox_id, tenant_id from mailbox_health where state = 'bad'")
    return {row["mailbox_id"]: row["tenant_id"] for row in rows}


async def note(tx: Transaction, tenant_id: str, mailbox_id: str, state: State, at: int) -> None:
    """Write down how it is from now on."""
    await tx.execute(
        "insert into mailbox_health (mailbox_id, tenant_id, state, since, judged_from)"
        " values ($1, $2, $3, $4, 0)"
        " on conflict (mailbox_id) do update set state = excluded.state, since = excluded.since",
        *(mailbox_id, tenant_id, state, at),
    )


async def judge_from(tx: Transaction, tenant_id: str, mailbox_id: str, at: int) -> None:
    """What was before `at` (microseconds) is held against it no more; never earlier than it stands."""
    await tx.execute(
        "insert into mailbox_health (mailbox_id, tenant_id, state, since, judged_from)"
        " values ($1, $2, 'well', $3, $3) on conflict (mailbox_id) do update set judged_from ="
        " case when mailbox_health.judged_from > excluded.judged_from"
        " then mailbox_health.judged_from else excluded.judged_from end",
        *(mailbox_id, tenant_id, at),
    )


async def forget(tx: Transaction, mailbox_id: str) -> None:
    await tx.execute("delete from mailbox_health where mailbox_id = $1", mailbox_id)
