"""What a program may ask to have sent by whichever inbox is its sender's, and how that is shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, UnsetType, structs

from api.mail.marks import Tracked
from api.mail.shapes import MessageShape
from api.mail.wishes import Word
from api.shapes import Body, Shape
from relay.events.log import Event

BrandName = Annotated[str, Meta(min_length=1, max_length=100, description="id or name of a brand")]
LocalTime = Annotated[str, Meta(max_length=32, description="2026-11-25T09:00, in `timezone`")]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=256, description="as the header of that name")]
Variables: TypeAlias = Annotated[dict[str, Any], Meta(max_length=1000)]
ZoneName = Annotated[str, Meta(max_length=64, description="Europe/Berlin")]


class NewEmail(Tracked, kw_only=True, frozen=True):
    """A message by the inbox of its `from`, by `inbox_id`, or by whichever of a `pool` has most left.

    With `dry_run` everything is decided, and nothing sent or kept. A `brand`
    decides what the message leaves open: from, pool, footer, tracking host.
    `unsubscribe` adds the fields by which its one recipient leaves `stream`,
    or all mail of the tenant; `{{unsubscribe_url}}` in html and text names the page.
    `send_at_local` with `timezone` is `send_at` by the clocks of a place.
    `template` is a name or id; what is said here is said instead of its words.
    With `variables` `{{ … }}` is filled in, with `spintax` one of `{a|b}` said.
    """

    template: Word | None = None
    variables: Variables | None = None
    spintax: bool = False
    inline_css: bool = False
    inbox_id: Word | None = None
    brand: BrandName | None = None
    send_at_local: LocalTime | None = None
    timezone: ZoneName | None = None
    dry_run: bool = False
    idempotency_key: IdempotencyKey | None = None


class PatchEmail(Body, kw_only=True, frozen=True):
    """Another time for what is still scheduled; one that has come already sends it now."""

    send_at: datetime | None = None
    send_at_local: LocalTime | None = None
    timezone: ZoneName | None = None


class EmailEvent(Shape, kw_only=True, frozen=True):
    """One thing that happened to it; `recipient` where it happened to one of several."""

    id: str
    kind: str
    at: datetime
    recipient: str | None
    data: dict[str, Any]


class EmailShape(MessageShape, kw_only=True, frozen=True):
    """A message that was sent. `events` are told in the answer about one alone, oldest first.

    Those of a rehearsal say what was decided: who pays and what is left, who is
    suppressed, until when it waits. They stand in no log.
    """

    events: tuple[EmailEvent, ...] | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET


def email_shape(
    shape: MessageShape, *, events: Sequence[Event] | None = None, dry_run: bool = False
) -> EmailShape:
    """The message as an email."""
    return EmailShape(
        **structs.asdict(shape),
        events=UNSET if events is None else tuple(map(_event, events)),
        dry_run=dry_run or UNSET,
    )


def _event(event: Event) -> EmailEvent:
    recipient = event.data.get("recipient")
    return EmailEvent(
        id=event.id,
        kind=event.kind,
        at=event.at,
        recipient=recipient if isinstance(recipient, str) else None,
        data=event.data,
    )
