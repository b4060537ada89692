"""An inbox as the API takes and shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from api.shapes import Body, Shape
from relay.clock import from_us
from relay.estate.mailboxes import MailboxView

Text = Annotated[str, Meta(max_length=200)]
AddressText = Annotated[str, Meta(min_length=3, max_length=400)]
Cap = Annotated[int, Meta(ge=0, le=1_000_000_000, description="recipients a day")]
Plan = Annotated[str, Meta(min_length=1, max_length=1000, description="a plan's name, or the plan itself")]
Several = Annotated[tuple[AddressText, ...], Meta(max_length=100)]


class NewInbox(Body, frozen=True):
    """Without an `address` one is made from the name, on `domain` or on the first verified domain.

    `senders` are patterns such as `*@example.com`. `smtp_password`: make one,
    which is told in this answer alone.
    """

    address: AddressText | None = None
    domain: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    name: Text = ""
    daily_cap: Cap | None = None
    warmup: Plan | None = None
    senders: Several = ()
    aliases: Several = ()
    pool: Text | None = None
    fix_line_ends: bool = True
    signed_replies: bool = False
    smtp_password: bool = False


class InboxChanges(Body, frozen=True):
    """What is left out stays; null takes the inbox's own cap, plan or pool away.

    `smtp_password`: make a new one; the one before stops at once.
    """

    name: Text | UnsetType = UNSET
    daily_cap: Cap | UnsetType | None = UNSET
    warmup: Plan | UnsetType | None = UNSET
    senders: Several | UnsetType = UNSET
    aliases: Several | UnsetType = UNSET
    pool: Text | UnsetType | None = UNSET
    status: Literal["active", "paused"] | UnsetType = UNSET
    fix_line_ends: bool | UnsetType = UNSET
    signed_replies: bool | UnsetType = UNSET
    smtp_password: bool = False


class InboxWarmup(Shape, frozen=True):
    """`step` counts sending days from 1, `cap` is today's; `next_cap` is null where it grows no more."""

    plan: str | None
    since: datetime
    step: int
    cap: int
    next_cap: int | None


class InboxShape(Shape, frozen=True):
    """`daily_cap` is the one in force; `left_today` is what that and the warm-up still allow today."""

    id: str
    address: str
    name: str
    daily_cap: int
    used_today: int
    left_today: int
    resets_at: datetime
    warmup: InboxWarmup | None
    senders: tuple[str, ...]
    aliases: tuple[str, ...]
    pool: str | None
    status: Literal["active", "paused"]
    fix_line_ends: bool
    signed_replies: bool
    domain_verified: bool
    created_at: datetime
    smtp_password: str | UnsetType = UNSET


def inbox_shape(view: MailboxView) -> InboxShape:
    mailbox, standing = view.mailbox, view.standing
    return InboxShape(
        id=mailbox.id,
        address=str(mailbox.address),
        name=mailbox.name,
        daily_cap=standing.daily_cap,
        used_today=standing.used,
        left_today=standing.left,
        resets_at=standing.resets_at,
        warmup=_warmup(view),
        senders=tuple(map(str, mailbox.senders)),
        aliases=tuple(map(str, mailbox.aliases)),
        pool=mailbox.pool,
        status=mailbox.status.value,
        fix_line_ends=mailbox.fix_line_ends,
        signed_replies=mailbox.signed_replies,
        domain_verified=view.domain_verified,
        created_at=mailbox.created_at,
        smtp_password=view.smtp_password or UNSET,
    )


def _warmup(view: MailboxView) -> InboxWarmup | None:
    warmup, step = view.mailbox.warmup, view.standing.step
    if warmup is None or step is None:
        return None
    upcoming = None if step.next_cap is None else min(step.next_cap, view.standing.daily_cap)
    return InboxWarmup(
        plan=warmup.name, since=from_us(warmup.since), step=step.number, cap=step.cap, next_cap=upcoming
    )


INBOX_EXAMPLE: dict[str, Any] = {
    "id": "inb_01hw3k9v8g2e4r6t8y0a2s4d",
    "address": "ann@example.com",
    "name": "Ann Lee",
    "daily_cap": 75,
    "used_today": 12,
    "left_today": 8,
    "resets_at": "2026-03-03T00:00:00Z",
    "warmup": {
        "plan": "gentle",
        "since": "2026-03-02T09:00:00Z",
        "step": 1,
        "cap": 20,
        "next_cap": 26,
    },
    "senders": ["*@example.com"],
    "aliases": ["ann.lee@example.com"],
    "pool": None,
    "status": "active",
    "fix_line_ends": True,
    "signed_replies": False,
    "domain_verified": True,
    "created_at": "2026-03-02T09:00:00Z",
}
