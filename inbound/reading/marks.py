"""What ties a message to others and to its time: Message-IDs, Date, Thread-Index.

RFC 5322 §3.6.4 and §3.3, with the zones of §4.3 and two-digit years. What
cannot be read is nothing.
"""

import re
from collections import deque
from datetime import UTC, datetime, timedelta

from relay.clock import to_us

MAX_REFERENCES = 100
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x20\x7f\ufffd]{1,990}>")
_BARE_ID = re.compile(r"[^<>\s\x00-\x20\x7f\ufffd]{1,990}@[^<>\s\x00-\x20\x7f\ufffd]{1,990}\Z")
_DATE = re.compile(
    r"(?<!\d)(\d{1,2})[\s-]{1,20}([A-Za-z]{3})[a-z]{0,10}\.?[\s-]{1,20}(\d{2,4})[\s,]{1,20}"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d{1,9})?(?:\s{0,20}([+-]\d{2}):?(\d{2})|\s{1,20}([A-Za-z]{1,5}))?"
)
_COMMENT = re.compile(r"\([^()]*\)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_LONGEST_DATE = 200
_THREAD_INDEX = re.compile(r"[A-Za-z0-9+/]{20,1000}={0,2}\Z")


def read_message_id(value: str) -> str:
    """The first Message-ID of a field, in angle brackets; empty where there is none."""
    if found := _MESSAGE_ID.search(value):
        return found[0]
    bare = value.strip()
    return f"<{bare}>" if len(bare) < 1000 and _BARE_ID.match(bare) else ""


def read_message_ids(value: str) -> tuple[tuple[str, ...], bool]:
    """The last MAX_REFERENCES Message-IDs, oldest first, and whether they are all."""
    kept: deque[str] = deque(maxlen=MAX_REFERENCES)
    count = 0
    for found in _MESSAGE_ID.finditer(value):
        kept.append(found[0])
        count += 1
    return tuple(kept), count <= MAX_REFERENCES


def read_date(value: str) -> int | None:
    """Microseconds since the epoch."""
    found = _DATE.search(_COMMENT.sub(" ", value[:_LONGEST_DATE]))
    if found is None or found[2].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(found[2].lower()) + 1
    # A leap second is the last one of its minute: no day of ours has 86 401.
    second = min(int(found[6] or 0), 59)
    try:
        local = datetime(
            _year(found[3]), month, int(found[1]), int(found[4]), int(found[5]), second, tzinfo=UTC
        )
        return to_us(local - _offset(found))
    except (ValueError, OverflowError):
        return None


def read_thread_index(value: str) -> str | None:
    """Thread-Index without its white space, if it can be one."""
    text = "".join(value[:2000].split())
    return text if _THREAD_INDEX.match(text) else None


def _year(digits: str) -> int:
    """RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(found: re.Match[str]) -> timedelta:
    """A zone that is none, and military ones, which are not to be trusted, count as UTC."""
    if found[7] is None:
        return timedelta(hours=_ZONES.get((found[9] or "").lower(), 0))
    sign = -1 if found[7][0] == "-" else 1
    span = timedelta(hours=int(found[7][1:]), minutes=int(found[8]))
    return sign * span if span < timedelta(hours=24) else timedelta()
