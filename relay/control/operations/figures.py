"""What became of the mail of a span of time, in sum or compared; and having it counted anew."""

import re
from datetime import timedelta
from typing import Any, Final, Literal

from relay.analytics import reading
from relay.analytics.counting import FACETS, Facet, Span
from relay.analytics.reading import Figures, Stretch
from relay.analytics.rollup import Rollup, ask_anew
from relay.clock import from_us, to_us
from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.errors import InvalidInput

COMPARED: Final = tuple(facet for facet in FACETS if facet != "all")
TOP: Final = 50
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,3})([hd])\Z")


class AskedFigures(Arguments, frozen=True):
    """A number of hours or days until now; with `by` one row for each of the busiest values."""

    period: str = "24h"
    by: Literal["domain", "provider", "tag", "template", "mailbox"] | None = None


@operation("figures", AskedFigures)
async def figures(context: Context, asked: AskedFigures) -> dict[str, Any]:
    """Counts, rates and times to delivery, of all mail or by value."""
    length = _length(asked.period)
    if not context.has_daemon:
        await _catch_up(context)
    now, kept = context.clock.now(), context.station.config.retention.hourly_figures
    span: Span = "hour" if length <= kept else "day"
    stretch = Stretch.around(to_us(now - length), to_us(now), span)
    facet: Facet = asked.by or "all"
    values = [] if asked.by else [""]
    found = await reading.compared(context.db, context.tenant_id, facet, values, stretch, TOP)
    return {
        "since": from_us(stretch.since),
        "counted_until": await reading.counted_until(context.db),
        "by": asked.by,
        "data": [{"value": value or None, **_shown(each)} for value, each in found],
    }


@operation("figures.count_anew", Nothing)
async def count_anew(context: Context, _: Nothing) -> dict[str, Any]:
    """Have the days that the log holds wholly counted once more; a daemon does it beside its work."""
    kept = context.station.config.retention.events
    await context.db.transact(lambda tx: ask_anew(tx, context.clock, kept))
    if not context.has_daemon:
        await _catch_up(context)
    return {"is_done": not context.has_daemon}


async def _catch_up(context: Context) -> None:
    rollup = Rollup(context.db, context.clock)
    while await rollup.step():
        pass


def _length(period: str) -> timedelta:
    found = _PERIOD.match(period)
    if found is None:
        raise InvalidInput(f"{period!r} is no period: say 24h or 7d", "period")
    return timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])})


def _shown(found: Figures) -> dict[str, Any]:
    return {
        **found.counts,
        "bounce_rate": found.rate("bounced", "sent"),
        "complaint_rate": found.rate("complained", "delivered"),
        "median_seconds": found.took(0.5),
        "p95_seconds": found.took(0.95),
    }
