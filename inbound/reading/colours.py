"""Colours as mail writes them, and whether text of one is seen on ground of another."""

import re
from typing import NamedTuple

NEAR = 16  # of 255 in every channel: nobody reads #f0f0f0 on white

_HEX = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,80})\)\Z")
_NUMBER = re.compile(r"-?\d{0,6}(?:\.\d{0,9})?(?:e-?\d)?")
_NAMES = {
    **{"white": 0xFFFFFF, "black": 0, "red": 0xFF0000, "lime": 0xFF00, "blue": 0xFF, "yellow": 0xFFFF00},
    **{"aqua": 0xFFFF, "cyan": 0xFFFF, "magenta": 0xFF00FF, "fuchsia": 0xFF00FF, "silver": 0xC0C0C0},
    **{"gray": 0x808080, "grey": 0x808080, "maroon": 0x800000, "olive": 0x808000, "green": 0x8000},
    **{"purple": 0x800080, "teal": 0x8080, "navy": 0x80, "orange": 0xFFA500, "snow": 0xFFFAFA},
    **{"ivory": 0xFFFFF0, "whitesmoke": 0xF5F5F5, "ghostwhite": 0xF8F8FF, "floralwhite": 0xFFFAF0},
    **{"mintcream": 0xF5FFFA, "azure": 0xF0FFFF, "aliceblue": 0xF0F8FF, "seashell": 0xFFF5EE},
    **{"lightgray": 0xD3D3D3, "lightgrey": 0xD3D3D3, "gainsboro": 0xDCDCDC, "linen": 0xFAF0E6},
    **{"darkgray": 0xA9A9A9, "darkgrey": 0xA9A9A9, "dimgray": 0x696969, "dimgrey": 0x696969},
    **{"windowtext": 0, "window": 0xFFFFFF, "canvastext": 0, "canvas": 0xFFFFFF},
}


class Colour(NamedTuple):
    red: int
    green: int
    blue: int
    alpha: float = 1.0

    def is_near(self, ground: "Colour") -> bool:
        """Whether nobody can tell this from `ground`; a colour that is all but transparent never shows."""
        if self.alpha < 0.1:
            return True
        pairs = zip(self[:3], ground[:3], strict=True)
        return all(abs(one - other) * self.alpha <= NEAR for one, other in pairs)


BLACK = Colour(0, 0, 0)
WHITE = Colour(255, 255, 255)
LINK = Colour(0, 0, 238)


def read_colour(text: str) -> Colour | None:
    """The colour that CSS or an attribute names; None for one that we do not know."""
    text = text.strip().lower()
    if text == "transparent":
        return Colour(0, 0, 0, 0.0)
    if text in _NAMES:
        return Colour(*_NAMES[text].to_bytes(3, "big"))
    if found := _HEX.match(text):
        return _from_hex(found[1])
    found = _FUNCTION.match(text)
    return _from_function(found[1], re.split(r"[\s,/]+", found[2].strip())) if found else None


def _from_hex(digits: str) -> Colour:
    if len(digits) < 5:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, *alpha = bytes.fromhex(digits)
    return Colour(red, green, blue, alpha[0] / 255 if alpha else 1.0)


def _from_function(name: str, values: list[str]) -> Colour | None:
    if not 3 <= len(values) <= 4:
        return None
    alpha = _share(values[3], 1.0) if len(values) == 4 else 1.0
    if name == "hsl":
        # Only its ends matter here: other tints are never taken for one another.
        lightness = _share(values[2], 100.0)
        level = round(255 * lightness)
        return Colour(level, level, level, alpha) if lightness in (0.0, 1.0) else None
    red, green, blue = (round(255 * _share(value, 255.0)) for value in values[:3])
    return Colour(red, green, blue, alpha)


def _share(text: str, whole: float) -> float:
    found = _NUMBER.match(text)
    try:
        number = float(found[0]) if found else 0.0
    except ValueError:
        number = 0.0
    return min(max(number / (100.0 if text.endswith("%") else whole), 0.0), 1.0)
