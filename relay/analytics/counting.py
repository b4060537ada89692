"""What an event counts for. Pure: events and the facts of their messages in, additions out.

Everything is counted in recipients, at the time at which it happened. `sent`
counts a recipient once, with the outcome of the first attempt; `opened`,
`clicked`, `complained` and `unsubscribed` once for each recipient, and not
when a machine did it. Neither our own reports to senders nor mail of test
keys is counted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from relay.analytics.buckets import bucket_of
from relay.analytics.providers import provider_of
from relay.clock import to_us
from relay.events.kinds import EventKind
from relay.events.log import Event
from relay.spool.facts import MessageFacts

Span = Literal["hour", "day"]
Facet = Literal["all", "domain", "provider", "tag", "template", "mailbox"]
FACETS: Final[tuple[Facet, ...]] = get_args(Facet)
LENGTH_US: Final[Mapping[Span, int]] = {"hour": 3_600_000_000, "day": 86_400_000_000}

# What is counted under the event's own name, for the recipient that the event names.
_PLAIN: Final = {
    EventKind.MESSAGE_DELIVERED: "delivered",
    EventKind.MESSAGE_DEFERRED: "deferred",
    EventKind.MESSAGE_BOUNCED: "bounced",
    EventKind.MESSAGE_EXPIRED: "expired",
    EventKind.MESSAGE_SUPPRESSED: "suppressed",
    EventKind.MESSAGE_CANCELED: "canceled",
}
# What counts once, however often it comes.
_ONCE: Final = {
    EventKind.MESSAGE_COMPLAINED: "complained",
    EventKind.MESSAGE_OPENED: "opened",
    EventKind.MESSAGE_CLICKED: "clicked",
    EventKind.MESSAGE_UNSUBSCRIBED: "unsubscribed",
}
COUNTED: Final = ("accepted", "sent", *_PLAIN.values(), *_ONCE.values())
OF_MESSAGES: Final = frozenset({EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_HELD, *_PLAIN, *_ONCE})


class Mark(NamedTuple):
    """Something that counts once: a recipient (or a message, where none is named), and what."""

    who: str
    what: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One event as it is counted: so many of each, at an instant, under values of facets."""

    tenant_id: str
    at: int
    what: Mapping[str, int]
    under: tuple[tuple[Facet, str], ...]
    took_us: int | None = None
    mark: Mark | None = None


class Place(NamedTuple):
    """One row of figures."""

    tenant_id: str
    span: Span
    facet: Facet
    value: str
    starts: int


@dataclass(slots=True)
class Tally:
    """Additions by row."""

    counts: dict[Place, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    times: Counter[tuple[Place, int]] = field(default_factory=Counter)

    def add(self, happened: Happened) -> None:
        """Under all of its values, in its hour and in its day."""
        bucket = None if happened.took_us is None else bucket_of(happened.took_us)
        for place in _places(happened):
            self.counts[place].update(happened.what)
            if bucket is not None:
                self.times[place, bucket] += 1


def what_happened(events: Iterable[Event], facts: Mapping[str, MessageFacts]) -> Iterator[Happened]:
    """Those of the events that count for anything, in their order."""
    for event in events:
        known = facts.get(event.message_id or "")
        if known is not None and _counts(event, known):
            happened = _happened(event, known)
            if happened.what:
                yield happened


def _counts(event: Event, facts: MessageFacts) -> bool:
    if event.kind not in OF_MESSAGES or event.mailbox_id is None:
        return False
    return not (event.is_test or facts.is_test or event.data.get("machine"))


def day_of(at: int) -> int:
    """When the day of an instant begins, in microseconds, UTC."""
    return at - at % LENGTH_US["day"]


def _happened(event: Event, facts: MessageFacts) -> Happened:
    at = to_us(event.at)
    took = None
    if event.kind == EventKind.MESSAGE_DELIVERED and facts.began_at is not None:
        took = max(at - facts.began_at, 0)
    once = _ONCE.get(event.kind)  # type: ignore[call-overload]
    mark = Mark(str(event.recipient_id or event.message_id), once) if once else None
    return Happened(event.tenant_id, at, _what(event), tuple(_under(event, facts)), took, mark)


def _what(event: Event) -> Counter[str]:
    if event.kind == EventKind.MESSAGE_ACCEPTED:
        return Counter(accepted=int(event.data.get("recipients", 0)))
    name = _PLAIN.get(event.kind) or _ONCE.get(event.kind)  # type: ignore[call-overload]
    what = Counter([name] if name else [])
    if _is_first_attempt(event):
        what["sent"] += 1
    return what


def _is_first_attempt(event: Event) -> bool:
    """Each attempt has one event that ends it; what waits without an attempt of its own has no dialogue."""
    if event.data.get("attempt") != 1:
        return False
    return "dialogue" in event.data or "attempts_without_outcome" in event.data


def _under(event: Event, facts: MessageFacts) -> Iterator[tuple[Facet, str]]:
    yield "all", ""
    yield "domain", facts.domain
    yield "mailbox", event.mailbox_id or ""
    # An acceptance is of many recipients, who may be anybody's.
    if recipient := event.data.get("recipient"):
        yield "provider", provider_of(str(recipient))
    if facts.template_id is not None:
        yield "template", facts.template_id
    for tag in dict.fromkeys(facts.tags):
        yield "tag", tag


def _places(happened: Happened) -> Iterator[Place]:
    for span, length in LENGTH_US.items():
        starts = happened.at - happened.at % length
        for facet, value in happened.under:
            yield Place(happened.tenant_id, span, facet, value, starts)
