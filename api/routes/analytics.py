"""Analytics: what became of the mail, in sum and through time. From figures that the event log feeds."""

from datetime import datetime, timedelta

from api.call import Call
from api.operations import Operation
from api.problems import invalid
from api.routes.analytics_shapes import (
    FIGURES_EXAMPLE,
    Asked,
    AskedSeries,
    FiguresShape,
    PointShape,
    SeriesAnswer,
    SeriesShape,
    Summary,
    fields_of,
    span_of,
)
from api.tenant_wide import check_tenant_wide
from relay.analytics import reading
from relay.analytics.counting import Facet, Span
from relay.analytics.reading import Series, Stretch
from relay.clock import from_us, to_us

MOST_POINTS = 10_000
_FACETS: tuple[Facet, ...] = ("domain", "provider", "tag", "template", "mailbox")


async def get_summary(call: Call, query: Asked) -> Summary:
    """The last 24 hours unless the query says otherwise."""
    facet, value = await _which(call, query)
    since, until = span_of(query, call.house.clock.now(), default=timedelta(hours=24))
    stretch = _stretch(call, since, until, "hour")
    db = call.house.db
    found = await reading.summary(db, call.tenant_id, facet, value, stretch)
    return Summary(
        since=from_us(stretch.since),
        until=from_us(stretch.until),
        counted_until=await reading.counted_until(db),
        **fields_of(found),
    )


async def get_series(call: Call, query: AskedSeries) -> SeriesAnswer:
    """The last seven days unless the query says otherwise."""
    facet, value = await _which(call, query)
    if query.by is not None:
        facet, value = _grouped(query, facet)
    since, until = span_of(query, call.house.clock.now(), default=timedelta(days=7))
    stretch = Stretch.around(to_us(since), to_us(until), query.interval)
    values = [value] if query.by is None else []
    if len(stretch.starts()) * (1 if values else query.top) > MOST_POINTS:
        raise invalid("?interval", f"gives more than {MOST_POINTS} points: ask for a shorter span")
    db = call.house.db
    found = await reading.series(db, call.tenant_id, facet, values, stretch, query.top)
    return SeriesAnswer(
        interval=query.interval,
        by=query.by,
        since=from_us(stretch.since),
        until=from_us(stretch.until),
        counted_until=await reading.counted_until(db),
        data=[_series(each, stretch) for each in found],
    )


async def _which(call: Call, query: Asked) -> tuple[Facet, str]:
    """The one value that is asked for, or all mail; a key that is bound to inboxes names one of them."""
    named: list[tuple[Facet, str]] = [
        (facet, value) for facet in _FACETS if (value := getattr(query, facet)) is not None
    ]
    if len(named) > 1:
        raise invalid(f"?{named[1][0]}", f"stands beside ?{named[0][0]}: figures are kept by one at a time")
    if named and named[0][0] == "mailbox":
        return "mailbox", (await call.mailbox(named[0][1])).id
    check_tenant_wide(call)
    return named[0] if named else ("all", "")


def _grouped(query: AskedSeries, facet: Facet) -> tuple[Facet, str]:
    if facet != "all":
        raise invalid("?by", f"stands beside ?{facet}: figures are kept by one at a time")
    assert query.by is not None
    return query.by, ""


def _stretch(call: Call, since: datetime, until: datetime, span: Span) -> Stretch:
    """Hours where they are still kept, else days."""
    if since < call.house.clock.now() - call.house.config.retention.hourly_figures:
        span = "day"
    return Stretch.around(to_us(since), to_us(until), span)


def _series(series: Series, stretch: Stretch) -> SeriesShape:
    return SeriesShape(
        value=series.value or None,
        total=FiguresShape(**fields_of(series.total)),
        points=[
            PointShape(at=from_us(starts), **fields_of(point))
            for starts, point in zip(stretch.starts(), series.points, strict=True)
        ],
    )


_WHEN = {"since": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"}
_COUNTED = {"counted_until": "2026-03-02T23:12:04Z"}

OPERATIONS = (
    Operation(
        "GET",
        "/v1/analytics/summary",
        "analytics:read",
        "What became of the mail, in sum",
        get_summary,
        query=Asked,
        answer=Summary,
        answers={**_WHEN, **_COUNTED, **FIGURES_EXAMPLE},
        errors=("not_found",),
    ),
    Operation(
        "GET",
        "/v1/analytics/series",
        "analytics:read",
        "What became of the mail, by hour or day",
        get_series,
        query=AskedSeries,
        answer=SeriesAnswer,
        answers={
            "interval": "day",
            "by": "provider",
            **_WHEN,
            **_COUNTED,
            "data": [
                {
                    "value": "gmail",
                    "total": FIGURES_EXAMPLE,
                    "points": [{"at": _WHEN["since"], **FIGURES_EXAMPLE}],
                }
            ],
        },
        errors=("not_found",),
        description="`accepted` is not known by provider, and stays 0 there.",
    ),
)
