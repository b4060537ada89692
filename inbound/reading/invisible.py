"""Characters that nobody sees: dropped from what people read, and read where they carry text.

Newsletters pad with them, and tags of Unicode's plane 14 spell ASCII that
only programs see. What writing needs stays: a joiner inside a word or an
emoji, and the tags of a flag.
"""

import re

_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f"
_JOINERS = "\u200c\u200d"
_NEVER_SEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
)
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0d\U000e0100-\U000e01ef"
_UNSEEN = re.compile(f"({_FLAG})|[{_NEVER_SEEN}{_TAGS}{_SELECTORS}]+|[{_JOINERS}](?:[ \xa0]*[{_JOINERS}])+")
_SPELLS_NOTHING = re.compile("[^\U000e0020-\U000e007e]+")
_SPELLING = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
_ANY = re.compile(f"[{_NEVER_SEEN}{_TAGS}{_SELECTORS}{_JOINERS}]")


def without_unseen(text: str) -> tuple[str, str]:
    """`text` as people see it, and what its unseen characters spell."""
    if text.isascii() or not _ANY.search(text):
        return text, ""
    spelled: list[str] = []

    def replace(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        if told := _SPELLS_NOTHING.sub("", found[0]):
            spelled.append(told.translate(_SPELLING))
        return ""

    return _UNSEEN.sub(replace, text), " ".join(spelled)
