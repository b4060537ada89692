"""How much a mailbox may still send on a day, and the refusal when that is not enough."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from relay.errors import PolicyRefusal
from relay.replies import SmtpReply
from relay.tenants.mailboxes import Mailbox


@dataclass(frozen=True, slots=True)
class WarmupStep:
    """Where a mailbox stands in its plan: `number` counts sending days from 1.

    `next_cap` is the plan's cap on the sending day after this one, None where
    it grows no more.
    """

    number: int
    cap: int
    next_cap: int | None


class Standing(Struct, frozen=True):
    """A mailbox's allowance on one day, in recipients. `resets_at` is when the next day begins."""

    day: str
    daily_cap: int
    cap: int
    used: int
    resets_at: datetime
    step: WarmupStep | None

    @property
    def left(self) -> int:
        return max(self.cap - self.used, 0)

    @property
    def is_warming_up(self) -> bool:
        """Whether it is the plan, not the daily cap, that limits this day."""
        return self.step is not None and self.step.cap < self.daily_cap


@dataclass(frozen=True, slots=True)
class Reservation:
    """Allowance that was taken: what is used and the cap afterwards, and what this one crossed."""

    day: str
    used: int
    cap: int
    crossed_threshold: bool = False
    reached_cap: bool = False


class DailyCapReached(PolicyRefusal):
    """The mailbox has not enough allowance left on that day."""

    code = "mailbox_cap_reached"
    what = "Daily sending limit"

    def __init__(self, mailbox: Mailbox, standing: Standing, asked: int) -> None:
        used = f"{standing.used} of {standing.cap} recipients used"
        asked_too = f", {asked} more asked for" if standing.left else ""
        until = f"{standing.resets_at:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(
            f"{mailbox}: {used} on {standing.day}{asked_too}, more at {until}",
            SmtpReply(451, "4.7.1", f"{self.what} reached: {used}{asked_too}; more at {until}"),
        )
        self.standing = standing
        self.resets_at = standing.resets_at

    @staticmethod
    def of(mailbox: Mailbox, standing: Standing, asked: int) -> "DailyCapReached":
        """The refusal that names the limit which holds: the cap's, or the warm-up's."""
        kind = WarmupCapReached if standing.is_warming_up else DailyCapReached
        return kind(mailbox, standing, asked)


class WarmupCapReached(DailyCapReached):
    """The mailbox is warming up, and has not enough left of that day's step."""

    code = "warmup_cap_reached"
    what = "Warm-up sending limit"
