"""What every shape that goes in or out has in common.

A `Body` or `Query` refuses fields that it does not know; a `Shape` is an
answer. Times are aware datetimes and become RFC 3339 in UTC with Z. A class
with a field behind one that has a default says `kw_only=True` itself: msgspec
hands that on to nobody.
"""

from typing import ClassVar, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Body(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A request's JSON document. One that `has_parts` looks at each of its raw parts by itself.

    One that `is_list_of` a field may come as the list alone.
    """

    has_parts: ClassVar[bool] = False
    is_list_of: ClassVar[str | None] = None


class Query(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The names that may stand behind `?`; a name may stand several times where its field is a tuple."""


class Shape(Struct, kw_only=True, frozen=True):
    """A JSON document of ours; a field that is `msgspec.UNSET` is left out."""


class NoBody(Body, frozen=True):
    """Nothing, or an empty object."""


class Page(Struct, Generic[T], kw_only=True, frozen=True):
    """A part of a list, newest first; `next_cursor` asks for the one behind it."""

    data: list[T]
    has_more: bool
    next_cursor: str | None
