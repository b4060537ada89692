"""Text as every engine can keep it.

Headers are octets, and people write what is neither UTF-8 nor meant to be.
SQLite takes no lone surrogates, PostgreSQL no NUL besides: a text for people
to read is kept with question marks there, so that nobody's mail fails for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def among(values: Sequence[str] | None) -> str:
    """For `($1 = '[0]' or column in (select value from {each:$1}))`: one of these texts; any for None."""
    return "[0]" if values is None else _encode(values).decode()


def storable(text: str) -> str:
    """`text` with a question mark for each lone surrogate and NUL; for display, never for an address."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "?") if "\0" in text else text


def storable_json(value: Any) -> str:
    """Whatever JSON can say, as JSON; the texts in it as `storable` keeps them."""
    try:
        text = _encode(value).decode()
    except UnicodeEncodeError:
        return _encode(_sayable(msgspec.to_builtins(value))).decode()
    # PostgreSQL's jsonb has no NUL.
    return _encode(_sayable(msgspec.to_builtins(value))).decode() if "\\u0000" in text else text


def _sayable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_sayable(key): _sayable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_sayable(part) for part in value]
    return value
