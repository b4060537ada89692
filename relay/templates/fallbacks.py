"""`{{first_name|there}}`: what stands behind the bar is said where the variable is not given.

A word that is the name of a filter means that filter, as everywhere in Liquid.
"""

import re
from collections.abc import Collection

_RAW = r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}"
_OUTPUT = r"\{\{(-?)\s*([A-Za-z_][\w.-]*)\s*\|([^|{}'\":%]{0,200}?)(-?)\}\}"
_PLACE = re.compile(rf"{_RAW}|{_OUTPUT}", re.DOTALL)


def spelled_out(source: str, filters: Collection[str]) -> str:
    """The same with Liquid's `default` filter in the places that have a fallback."""

    def spell(place: re.Match[str]) -> str:
        opening, name, fallback, closing = place.groups()
        if name is None or fallback.strip() in filters:
            return place[0]
        return f'{{{{{opening} {name} | default: "{fallback.strip()}" {closing}}}}}'

    return _PLACE.sub(spell, source)
