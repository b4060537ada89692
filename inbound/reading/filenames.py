"""A stranger's file name, made into one component that no system takes for anything else."""

import re
import unicodedata

from relay.message.words import decode_words

MAX_FILENAME = 200
_LONGEST_EXTENSION = 20
# Controls, what nobody sees, what turns the direction of writing, and what is no character.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SEPARATORS = re.compile(r"[/\\\u2044\u2215\u29f5\u29f8\uff0f\uff3c]")
_SPECIAL = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(?:\.|\Z)",
    re.IGNORECASE,
)


def clean_filename(name: str) -> str:
    """The last component of `name`, at most MAX_FILENAME characters; empty where nothing is left.

    No path, NUL, control or bidi character, no dot or space at its ends, and
    no name of a device.
    """
    decoded = decode_words(name[: 20 * MAX_FILENAME])
    text = unicodedata.normalize("NFC", _UNSEEN.sub("", decoded))
    text = _SPECIAL.sub("_", _SEPARATORS.split(text)[-1])
    text = _shortened(" ".join(text.split()).strip(". "))
    return f"_{text}"[:MAX_FILENAME] if _DEVICE.match(text) else text


def _shortened(text: str) -> str:
    """The extension stays: it says what opens the file."""
    if len(text) <= MAX_FILENAME:
        return text
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension) > _LONGEST_EXTENSION:
        return text[:MAX_FILENAME].strip(". ")
    return stem[: MAX_FILENAME - 1 - len(extension)].strip(". ") + dot + extension
