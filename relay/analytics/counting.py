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
_PLAIN: Final[Mapping[str, str]] = {
    EventKind.MESSAGE_DELIVERED: "delivered",
    EventKind.MESSAGE_DEFERRED: "deferred",
    EventKind.MESSAGE_BOUNCED: "bounced",
    EventKind.MESSAGE_EXPIRED: "expired",
    EventKind.MESSAGE_SUPPRESSED: "suppressed",
    EventKind.MESSAGE_CANCELED: "canceled",
}
# What counts once, however often it comes.
_ONCE: Final[Mapping[str, str]] = {
    EventKind.MESSAGE_COMPLAINED: "complained",
    EventKind.MESSAGE_OPENED: "opened",
    EventKind.MESSAGE_CLICKED: "clicked",
    EventKind.MESSAGE_UNSUBSCRIBED: "unsubscribed",
}
_NAMES: Final[Mapping[str, str]] = {EventKind.MESSAGE_ACCEPTED: "accepted", **_PLAIN, **_ONCE}
COUNTED: Final = ("accepted", "sent", *_PLAIN.values(), *_ONCE.values())
# A message is also held after an attempt that left no outcome.
OF_MESSAGES: Final = frozenset({EventKind.MESSAGE_HELD, *_NAMES})


class Mark(NamedTuple):
    """Something that counts once: a recipient (or a message, where none is named), and what."""

    who: str
    what: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One event as it is counted: `many` of each, at an instant, under values of facets."""

    tenant_id: str
    at: int
    what: tuple[str, ...]
    under: tuple[tuple[Facet, str], ...]
    many: int = 1
    took_us: int | None = None
    mark: Mark | None = None


class Place(NamedTuple):
    """One row of figures."""

    tenant_id: str
    span: Span
    facet: Facet
    value: str
    starts: int


# What was sent alike within an hour is added once: tenant, hour, values.
_Alike = tuple[str, int, tuple[tuple[Facet, str], ...]]


@dataclass(slots=True)
class Tally:
    """Additions; `rows` and `times` are what they come to in each row."""

    _counts: dict[_Alike, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    _times: dict[_Alike, dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    def add(self, happened: Happened) -> None:
        """Under all of its values, in its hour and in its day."""
        alike = (happened.tenant_id, happened.at - happened.at % LENGTH_US["hour"], happened.under)
        counts = self._counts[alike]
        for name in happened.what:
            counts[name] += happened.many
        if happened.took_us is not None:
            self._times[alike][bucket_of(happened.took_us)] += 1

    def rows(self) -> Mapping[Place, Mapping[str, int]]:
        found: dict[Place, Counter[str]] = defaultdict(Counter)
        for alike, counts in self._counts.items():
            for place in _places(alike):
                found[place].update(counts)
        return found

    def times(self) -> Mapping[tuple[Place, int], int]:
        """By row and bucket."""
        found: Counter[tuple[Place, int]] = Counter()
        for alike, buckets in self._times.items():
            for place in _places(alike):
                for bucket, times in buckets.items():
                    found[place, bucket] += times
        return found


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
    at, kind, many, took, mark = to_us(event.at), event.kind, 1, None, None
    if kind == EventKind.MESSAGE_ACCEPTED:
        many = int(event.data.get("recipients", 0))
    elif kind == EventKind.MESSAGE_DELIVERED and facts.began_at is not None:
        took = max(at - facts.began_at, 0)
    elif kind in _ONCE:
        mark = Mark(str(event.recipient_id or event.message_id), _NAMES[kind])
    return Happened(event.tenant_id, at, _what(event), _under(event, facts), many, took, mark)


def _what(event: Event) -> tuple[str, ...]:
    names = (_NAMES[event.kind],) if event.kind in _NAMES else ()
    return (*names, "sent") if _is_first_attempt(event) else names


def _is_first_attempt(event: Event) -> bool:
    """Each attempt has one event that ends it; what waits without an attempt of its own has no dialogue."""
    if event.data.get("attempt") != 1:
        return False
    return "dialogue" in event.data or "attempts_without_outcome" in event.data


def _under(event: Event, facts: MessageFacts) -> tuple[tuple[Facet, str], ...]:
    found: list[tuple[Facet, str]] = [
        ("all", ""),
        ("domain", facts.domain),
        ("mailbox", event.mailbox_id or ""),
    ]
    # An acceptance is of many recipients, who may be anybody's.
    if recipient := event.data.get("recipient"):
        found.append(("provider", provider_of(str(recipient))))
    if facts.template_id is not None:
        found.append(("template", facts.template_id))
    found += [("tag", tag) for tag in dict.fromkeys(facts.tags)]
    return tuple(found)


def _places(alike: _Alike) -> Iterator[Place]:
    tenant_id, hour, under = alike
    for span, length in LENGTH_US.items():
        for facet, value in under:
            yield Place(tenant_id, span, facet, value, hour - hour % length)
