"""Find the line of a TOML file on which a key stands: tomllib does not tell."""

import re

_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_\-.\s\"']+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\s\"']+?)\s*=")


def lines_of_keys(text: str) -> dict[str, int]:
    """Line numbers, from 1, of dotted keys and of table headers; the first place wins.

    A line inside a multi-line text may be taken for a key: good enough to
    point at a place, not to read values.
    """
    places: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _HEADER.match(line):
            table = _dotted(found[1])
            places.setdefault(table, number)
        elif found := _KEY.match(line):
            places.setdefault(f"{table}.{_dotted(found[1])}".lstrip("."), number)
    return places


def _dotted(written: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in written.split("."))
