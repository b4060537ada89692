"""Whether the text of an element is seen, from what it declares and what it inherits."""

import re
from typing import NamedTuple

from inbound.reading.colours import BLACK, LINK, WHITE, Colour, read_colour
from inbound.reading.css import Declarations
from inbound.reading.html_tree import Element

_LENGTH = re.compile(r"([+-]?(?:\d{1,7}(?:\.\d{0,9})?|\.\d{1,9}))([a-z%]*)\Z")
_FONT_SIZE = re.compile(r"(?:\A|\s)([+-]?[\d.]{1,9}[a-z%]{0,5})(?:\s*/|\s|\Z)")
_CLIPPED = re.compile(r"(?:rect\(\s*[01](?:px)?[\s,)]|inset\(\s*(?:[5-9]\d|1\d\d)%|circle\(\s*0)")
_PIXELS = {
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 37.8,
    "mm": 3.78,
    "rem": 16.0,
    "vw": 8.0,
    "vh": 8.0,
}
_PLACES = ("left", "right", "top", "bottom", "text-indent", "margin-left", "margin-top")
_EXTENTS = ("height", "max-height", "width", "max-width")
_OFF_SCREEN = 400.0
_PAINTED = re.compile(r"url\(|gradient")


class Appearance(NamedTuple):
    """How text looks here. `ground` is None over a picture, `colour` None where we do not know it."""

    gone: bool = False  # for all that is inside, whatever it declares
    invisible: bool = False
    size: float = 16.0
    opacity: float = 1.0
    colour: Colour | None = BLACK
    ground: Colour | None = WHITE

    @property
    def is_seen(self) -> bool:
        if self.gone or self.invisible or self.size <= 1.0 or self.opacity <= 0.05:
            return False
        if self.colour is not None and self.colour.alpha < 0.1:
            return False
        return self.colour is None or self.ground is None or not self.colour.is_near(self.ground)

    def inside(self, element: Element, declared: Declarations) -> "Appearance":
        """The appearance within a child."""
        if not declared and not element.attributes and element.name != "template":
            return self
        size = self._size(declared)
        return Appearance(
            gone=self.gone or _is_gone(element, declared, size),
            invisible={"hidden": True, "collapse": True, "visible": False}.get(
                declared.get("visibility", ""), self.invisible
            ),
            size=size,
            opacity=self.opacity * _opacity(declared),
            colour=self._colour(element, declared),
            ground=self._ground(element, declared),
        )

    def _size(self, declared: Declarations) -> float:
        value = declared.get("font-size")
        if value is None and (found := _FONT_SIZE.search(declared.get("font", ""))):
            value = found[1]
        size = _pixels(value or "", self.size)
        if value and size is None and not value[:1].isdigit():
            return {"inherit": self.size}.get(value, 16.0)  # a keyword such as "small"
        return self.size if size is None else min(abs(size), 10_000.0)

    def _colour(self, element: Element, declared: Declarations) -> Colour | None:
        attributes = element.attributes
        said = declared.get("color") or attributes.get("color" if element.name == "font" else "text", "")
        if said in ("", "inherit", "currentcolor"):
            is_link = element.name == "a" and "href" in attributes and not said
            return LINK if is_link else self.colour
        return read_colour(said)

    def _ground(self, element: Element, declared: Declarations) -> Colour | None:
        said = f"{declared.get('background', '')} {declared.get('background-image', '')}"
        if _PAINTED.search(said) or element.attributes.get("background"):
            return None
        named = declared.get("background-color") or element.attributes.get("bgcolor", "")
        words = (
            [named] if named else [declared.get("background", ""), *declared.get("background", "").split()]
        )
        grounds = [ground for word in words if word and (ground := read_colour(word))]
        ground = grounds[0] if grounds else None
        return ground if ground and ground.alpha >= 0.5 else self.ground


def _is_gone(element: Element, declared: Declarations, size: float) -> bool:
    if "hidden" in element.attributes or element.name == "template":
        return True
    if not declared:
        return False
    if declared.get("display") == "none" or declared.get("mso-hide") == "all":
        return True
    if declared.get("content-visibility") == "hidden" or "scale(0" in declared.get("transform", ""):
        return "scale(0." not in declared.get("transform", "")
    if _CLIPPED.search(declared.get("clip", "") + declared.get("clip-path", "")):
        return True
    if "hidden" in declared.get("overflow", "") or "hidden" in declared.get("overflow-y", ""):
        extents = [_pixels(declared.get(name, ""), size) for name in _EXTENTS]
        if any(extent is not None and abs(extent) <= 1.0 for extent in extents):
            return True
    places = [_pixels(declared.get(name, ""), size) for name in _PLACES]
    return any(place is not None and place <= -_OFF_SCREEN for place in places)


def _opacity(declared: Declarations) -> float:
    value = declared.get("opacity", "")
    try:
        share = float(value[:12].rstrip("%")) / (100.0 if value.endswith("%") else 1.0)
    except ValueError:
        return 1.0
    return min(max(share, 0.0), 1.0) if share == share else 1.0


def _pixels(text: str, size: float) -> float | None:
    """A length in pixels, percentages and ems of `size`; None for anything else."""
    found = _LENGTH.match(text)
    if found is None:
        return None
    number, unit = float(found[1]), found[2]
    if unit in ("em", "%", "ex", "ch"):
        return number * size * {"em": 1.0, "%": 0.01}.get(unit, 0.5)
    return number * _PIXELS[unit] if unit in _PIXELS else number if not unit else None
