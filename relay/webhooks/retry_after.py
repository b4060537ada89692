"""Read a Retry-After field (RFC 9110 §10.2.3): seconds, or a date."""

from datetime import UTC, datetime, timedelta

LONGEST = timedelta(hours=24)
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


def read_retry_after(value: bytes, now: datetime) -> timedelta | None:
    """How long we are asked to wait, at most LONGEST; None for what is neither form, or is past."""
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        # More digits than that are more than LONGEST, whatever they are.
        wait = timedelta(seconds=int(text[:9]))
    else:
        try:
            wait = datetime.strptime(text, _HTTP_DATE).replace(tzinfo=UTC) - now
        except ValueError:
            return None
    return min(wait, LONGEST) if wait > timedelta() else None
