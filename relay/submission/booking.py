"""Find the day and the mailbox that pay for a message: within the cap, or as `policy.on_cap` says.

Refuse says no with the time at which allowance returns; defer books the next
free day within the horizon; rotate looks for another mailbox of the pool that
the mail names, and that may write from its addresses.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from relay.address import Address
from relay.clock import Clock
from relay.config import PolicyConfig
from relay.errors import PolicyRefusal
from relay.message.headers import Header
from relay.policy.caps import Caps, DailyCapReached, QuotaExceeded
from relay.policy.senders import read_authors
from relay.replies import SmtpReply
from relay.store.database import Database, Transaction
from relay.submission.offer import Offer
from relay.suppressions import records as suppressions
from relay.tenants.mailboxes import Mailbox

SEEN_FOR = 1.0
MANY_SEEN = 10_000


class NoMailboxAvailable(PolicyRefusal):
    """Nobody in the pool has allowance left and may write from these addresses."""

    code = "no_mailbox_available"

    def __init__(self, pool: str, reached: DailyCapReached) -> None:
        super().__init__(
            f"pool {pool}: nobody has allowance left",
            SmtpReply(451, "4.7.1", f"No mailbox of pool {pool} has allowance left; {reached.reply.text}"),
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """Who pays, on which day, and until when the message waits. `day` is None for what is exempt.

    `is_held`: it waits for a person besides.
    """

    mailbox: Mailbox | None
    day: str | None
    release_at: datetime | None
    why: str
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What was left of an allowance `at` that moment, for the mailbox as it was then."""

    mailbox: Mailbox
    left: int
    at: float


@dataclass(frozen=True, slots=True)
class Booking:
    """Reserves allowance by the rules of the configuration."""

    db: Database
    clock: Clock
    policy: PolicyConfig
    caps: Caps = field(init=False)
    _seen: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        caps = Caps(self.clock, self.policy.default_daily_cap, self.policy.cap_timezone)
        object.__setattr__(self, "caps", caps)

    async def check(self, mailbox: Mailbox, addresses: Sequence[Address]) -> int:
        """Raise DailyCapReached or QuotaExceeded if these would be refused today; reserves nothing.

        Returns how many recipients would pass as things stand. The cap is asked
        only where the answer at it is no: otherwise the header decides, which is
        still to come. Who is suppressed costs nothing. What was seen within SEEN_FOR may
        serve for a yes, since it is reserved later, but never for a no.
        """
        day = self.caps.today()
        of_month = await self._check_quota(mailbox, addresses, day)
        if self.policy.on_cap != "refuse":
            return of_month
        if len(addresses) <= (left := self._seen_left(mailbox, day)):
            return min(left, of_month)
        standing = await self.caps.standing(self.db, mailbox, day)
        self._note_left(mailbox, day, standing.left)
        if len(addresses) <= standing.left:
            return min(standing.left, of_month)
        going = await self._going(mailbox, addresses)
        if going > standing.left:
            raise DailyCapReached.of(mailbox, standing, going)
        return len(addresses)

    async def _check_quota(self, mailbox: Mailbox, addresses: Sequence[Address], day: str) -> int:
        """How many would pass by the tenant's month; raises QuotaExceeded."""
        standing = await self.caps.left_of_quota(self.db, mailbox, day)
        if standing is None:
            return sys.maxsize
        if len(addresses) <= standing.left:
            return standing.left
        going = await self._going(mailbox, addresses)
        if going > standing.left:
            raise QuotaExceeded(mailbox.tenant_id, standing, going)
        return len(addresses)

    async def _going(self, mailbox: Mailbox, addresses: Sequence[Address]) -> int:
        """How many of them are not suppressed."""
        suppressed = await suppressions.suppressed_among(
            self.db, mailbox.tenant_id, addresses, stream=None, now=self.clock.now()
        )
        return sum(address not in suppressed for address in addresses)

    async def book(self, tx: Transaction, offer: Offer, count: int) -> Slot:
        """Reserve allowance for `count` recipients.

        Raises DailyCapReached, NoMailboxAvailable, or QuotaExceeded.
        """
        mailbox, send_at = offer.draft.mailbox, offer.wishes.send_at
        if mailbox is None:
            return Slot(None, None, None, "exempt: a notice of our own")
        if not count:
            return Slot(mailbox, None, None, "nobody to send to")
        if offer.draft.is_test:
            return Slot(mailbox, None, send_at, "exempt: a trial, sent to nobody")
        day = self.caps.day_of(send_at or self.clock.now())
        try:
            return await self._reserve(tx, mailbox, day, count, send_at)
        except DailyCapReached as reached:
            return await self._otherwise(tx, offer, mailbox, day, count, reached)

    async def book_all(self, tx: Transaction, offers: Sequence[Offer], counts: Sequence[int]) -> list[Slot]:
        """As `book` for each in turn, where each mailbox has allowance for all of them: one statement.

        Raises as `caps.reserve` where one has not: who may pay instead is to be asked for each.
        """
        slots: dict[int, Slot] = {}
        paying: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, (offer, count) in enumerate(zip(offers, counts, strict=True)):
            mailbox, send_at = offer.draft.mailbox, offer.wishes.send_at
            if mailbox is None or not count or offer.draft.is_test:
                slots[place] = await self.book(tx, offer, count)
            else:
                paying[mailbox.id, self.caps.day_of(send_at or self.clock.now())].append(place)
        for (_, day), places in paying.items():
            mailbox = offers[places[0]].draft.mailbox
            assert mailbox is not None
            total = sum(counts[place] for place in places)
            taken = await self.caps.reserve(tx, mailbox, day, total)
            self._note_left(mailbox, day, taken.cap - taken.used)
            used = taken.used - total
            for place in places:
                used += counts[place]
                slots[place] = Slot(mailbox, day, offers[place].wishes.send_at, _why(used, taken.cap, day))
        return [slots[place] for place in range(len(offers))]

    async def _reserve(
        self, tx: Transaction, mailbox: Mailbox, day: str, count: int, release_at: datetime | None
    ) -> Slot:
        taken = await self.caps.reserve(tx, mailbox, day, count)
        self._note_left(mailbox, day, taken.cap - taken.used)
        return Slot(mailbox, day, release_at, _why(taken.used, taken.cap, day))

    def _seen_left(self, mailbox: Mailbox, day: str) -> int:
        """How much was left when somebody looked not long ago; 0 where nobody did."""
        seen = self._seen.get((mailbox.id, day))
        if seen is None or seen.mailbox is not mailbox or self.clock.monotonic() - seen.at > SEEN_FOR:
            return 0
        return seen.left

    def _note_left(self, mailbox: Mailbox, day: str, left: int) -> None:
        if len(self._seen) >= MANY_SEEN:
            self._seen.clear()
        self._seen[mailbox.id, day] = Seen(mailbox, left, self.clock.monotonic())

    async def _otherwise(
        self,
        tx: Transaction,
        offer: Offer,
        mailbox: Mailbox,
        day: str,
        count: int,
        reached: DailyCapReached,
    ) -> Slot:
        """What `policy.on_cap` makes of a full day; the refusal itself where it makes nothing of it."""
        if self.policy.on_cap == "defer":
            return await self._defer(tx, mailbox, day, count, reached)
        if self.policy.on_cap == "rotate" and offer.wishes.pool is not None:
            return await self._rotate(tx, offer, offer.wishes.pool, day, count, reached)
        raise reached

    async def _defer(
        self, tx: Transaction, mailbox: Mailbox, day: str, count: int, reached: DailyCapReached
    ) -> Slot:
        free = await self.caps.next_free_day(tx, mailbox, count, day, self.policy.defer_horizon)
        if free is None:
            raise reached
        slot = await self._reserve(tx, mailbox, free, count, self.caps.start_of(free))
        return Slot(slot.mailbox, slot.day, slot.release_at, f"deferred: {day} is full; {slot.why}")

    async def _rotate(
        self, tx: Transaction, offer: Offer, pool: str, day: str, count: int, reached: DailyCapReached
    ) -> Slot:
        another = await self.caps.pick_from_pool(
            tx, offer.message.tenant_id, pool, count, day, suits=_may_write(offer)
        )
        if another is None:
            raise NoMailboxAvailable(pool, reached) from reached
        slot = await self._reserve(tx, another, day, count, offer.wishes.send_at)
        return Slot(slot.mailbox, slot.day, slot.release_at, f"rotated to {another}: {slot.why}")


def _why(used: int, cap: int, day: str) -> str:
    return f"{used} of {cap} used on {day}"


def _may_write(offer: Offer) -> Callable[[Mailbox], bool]:
    """Whether a mailbox may write from all of the message's addresses, those of From and the envelope.

    And whether it is guarded alike: what was said of the message holds for it then.
    """
    addresses = list(read_authors(Header.parse(offer.content.header)))
    if isinstance(offer.message.reverse_path, Address):
        addresses.append(offer.message.reverse_path)
    guards = offer.draft.mailbox.guards if offer.draft.mailbox else None
    return lambda mailbox: mailbox.guards == guards and all(map(mailbox.owns, addresses))
