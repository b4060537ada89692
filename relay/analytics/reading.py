"""Answers from the figures: sums of a span of time, series through it, the rates of a mailbox."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from relay.analytics import records
from relay.analytics.buckets import quantile
from relay.analytics.counting import COUNTED, LENGTH_US, Facet, Span
from relay.analytics.records import Counts
from relay.analytics.rollup import CURSOR, OTHERS
from relay.clock import to_us
from relay.events import log
from relay.policy import health
from relay.policy.health import Rates
from relay.store.database import Reader

_NONE: Final[Counts] = dict.fromkeys(COUNTED, 0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `since` to before `until` in whole hours or days, which are the rows that are summed."""

    span: Span
    since: int
    until: int

    @staticmethod
    def around(since: int, until: int, span: Span) -> "Stretch":
        """The whole hours or days that these instants touch."""
        length = LENGTH_US[span]
        return Stretch(span, since - since % length, until + -until % length)

    def starts(self) -> range:
        return range(self.since, self.until, LENGTH_US[self.span])


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened, in recipients; `times` is how long delivery took, by bucket."""

    counts: Counts = field(default_factory=lambda: _NONE)
    times: Mapping[int, int] = field(default_factory=dict)

    def rate(self, what: str, of: str) -> float | None:
        """None where there is nothing to compare with."""
        return self.counts[what] / self.counts[of] if self.counts[of] else None

    def took(self, share: float) -> float | None:
        """Within how many seconds that share was delivered."""
        return quantile(self.times, share)


@dataclass(frozen=True, slots=True)
class Series:
    """One value of a facet: all of it, and each hour or day in order."""

    value: str
    total: Figures
    points: Sequence[Figures]


async def summary(reader: Reader, tenant_id: str, facet: Facet, value: str, stretch: Stretch) -> Figures:
    """Everything that is counted under one value."""
    ((_, found),) = await compared(reader, tenant_id, facet, [value], stretch, 1)
    return found


async def compared(
    reader: Reader, tenant_id: str, facet: Facet, values: Sequence[str], stretch: Stretch, top: int
) -> list[tuple[str, Figures]]:
    """The values that are asked for, or else those to which most was sent, each in sum."""
    of = (reader, tenant_id, stretch.span, facet, stretch.since, stretch.until)
    totals = await records.sums(*of, values)
    chosen = _chosen(values, totals, top)
    times: dict[str, Counter[int]] = defaultdict(Counter)
    for row in await records.times(*of, chosen):
        times[row["value"]][row["bucket"]] += row["times"]
    return [(value, Figures(totals.get(value, _NONE), times[value])) for value in chosen]


async def series(
    reader: Reader, tenant_id: str, facet: Facet, values: Sequence[str], stretch: Stretch, top: int
) -> list[Series]:
    """The values that are asked for, or else those to which most was sent, each through the whole stretch."""
    of = (reader, tenant_id, stretch.span, facet, stretch.since, stretch.until)
    totals = await records.sums(*of, values)
    chosen = _chosen(values, totals, top)
    counts = await records.points(*of, chosen)
    times: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for row in await records.times(*of, chosen):
        times[row["value"], row["starts"]][row["bucket"]] += row["times"]
    return [_series(value, totals.get(value, _NONE), counts, times, stretch) for value in chosen]


async def rates(
    reader: Reader, tenant_id: str, mailbox_id: str, now: datetime, judged_from: int = 0
) -> Rates:
    """What became of a mailbox's mail lately, in whole hours: not of what is held against it no more."""
    hour = LENGTH_US["hour"]
    since = max(to_us(now - health.WINDOW), judged_from)
    stretch = Stretch("hour", since + -since % hour, to_us(now) + hour)
    found = await records.sums(
        reader, tenant_id, "hour", "mailbox", stretch.since, stretch.until, [mailbox_id]
    )
    counts = found.get(mailbox_id, _NONE)
    return Rates(counts["sent"], counts["delivered"], counts["bounced"], counts["complained"])


async def counted_until(reader: Reader) -> datetime | None:
    """When the last event happened that has been counted; None while nothing has."""
    return await log.at_of(reader, await log.read_cursor(reader, CURSOR))


def _chosen(values: Sequence[str], totals: Mapping[str, Counts], top: int) -> list[str]:
    return list(values) or sorted(totals, key=lambda name: _rank(name, totals[name]))[:top]


def _rank(value: str, counts: Counts) -> tuple[bool, int, int, str]:
    """The busiest first, and what is counted together last."""
    return value == OTHERS, -counts["sent"], -counts["accepted"], value


def _series(
    value: str,
    total: Counts,
    counts: Mapping[tuple[str, int], Counts],
    times: Mapping[tuple[str, int], Counter[int]],
    stretch: Stretch,
) -> Series:
    nothing: Counter[int] = Counter()
    points = [
        Figures(counts.get((value, starts), _NONE), times.get((value, starts), nothing))
        for starts in stretch.starts()
    ]
    all_times: Counter[int] = sum((point.times for point in points), Counter())  # type: ignore[misc]
    return Series(value, Figures(total, all_times), points)
