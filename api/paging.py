"""Lists in parts, newest first: `?limit=` and an opaque `?cursor=` that names the last entry seen."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from msgspec import Meta

from api.problems import invalid
from api.shapes import Page, Query

R = TypeVar("R")
T = TypeVar("T")

_ABOUT = "where the page before ended: its next_cursor"
Limit = Annotated[int, Meta(ge=1, le=200, description="how many at most")]
Cursor = Annotated[str, Meta(max_length=500, description=_ABOUT)]


class Paged(Query, frozen=True):
    """What every list understands; a list with filters is a subclass."""

    limit: Limit = 50
    cursor: Cursor | None = None

    @property
    def before(self) -> str | None:
        """What the page before ended with, as its `page` call named it; raises Problem (422)."""
        return None if self.cursor is None else read_cursor(self.cursor)


def page(rows: Sequence[R], limit: int, shape: Callable[[R], T], place: Callable[[R], str]) -> Page[T]:
    """The answer for up to `limit` of `rows`, of which one more was asked for: so it is known if more come.

    `place` names a row for the cursor: its id, or whatever the list is ordered by.
    """
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = make_cursor(place(shown[-1])) if more else None
    return Page(data=[shape(row) for row in shown], has_more=more, next_cursor=cursor)


def make_cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """What `make_cursor` was given; raises Problem (422) for what it did not make."""
    try:
        text = cursor.encode("ascii")
        place = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise invalid("?cursor", "is not a next_cursor of ours") from error
    if not place or not place.isprintable():
        raise invalid("?cursor", "is not a next_cursor of ours")
    return place
