"""Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183, RFC 2231)."""

import re
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from inbound.reading.charsets import decode

_MAX_PARAMETERS = 100
_LONGEST = 10_000
_VALUE = re.compile(r"\s*([^\s;,()\"]{1,150})")
_TYPE = re.compile(r"[!#$%&'*+.^_`{|}~0-9a-z-]{1,63}/[!#$%&'*+.^_`{|}~0-9a-z-]{1,63}\Z")
_PARAMETER = re.compile(
    r";\s*+([^\s=;\"]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)(?:\"|\\?\Z)|([^;\"\s]*+))", re.DOTALL
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]{1,60})(?:\*(\d{1,3}))?(\*)?\Z")


class Parameterised(NamedTuple):
    """The value in lower case, and its parameters by lower-case name, RFC 2231's put together."""

    value: str
    parameters: dict[str, str]


@lru_cache(maxsize=64)
def read_parameterised(text: str) -> Parameterised:
    """As much as can be read; the first of two parameters counts. Nobody may change what it returns."""
    found = _VALUE.match(text)
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for each in islice(_PARAMETER.finditer(text[:_LONGEST]), _MAX_PARAMETERS):
        name = each[1].lower()
        value = each[3] if each[2] is None else _QUOTED_PAIR.sub(r"\1", each[2])
        section = _SECTION.match(name)
        if section is None or "*" not in name:
            plain.setdefault(name, value)
        else:
            place = int(section[2] or 0)
            sections.setdefault(section[1], {}).setdefault(place, (value, bool(section[3])))
    # RFC 6266's rule holds for mail as well: the extended form is the better one.
    return Parameterised(
        found[1].lower() if found else "", plain | {name: _joined(parts) for name, parts in sections.items()}
    )


def media_type(text: str) -> Parameterised:
    """A Content-Type; the value is empty where it is no type (RFC 2045 §5.2 leaves it to the reader)."""
    read = read_parameterised(text)
    return read if _TYPE.match(read.value) else Parameterised("", read.parameters)


def _joined(sections: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §3 and §4: sections in order, percent-encoded ones in the set that the first names."""
    charset, octets = "utf-8", b""
    for place in sorted(sections):
        value, is_encoded = sections[place]
        if place == 0 and is_encoded and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        octets += unquote_to_bytes(value) if is_encoded else value.encode("utf-8", "replace")
    return decode(octets, charset or "utf-8", _LONGEST)[0]
