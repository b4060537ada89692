"""mail-parser-reply as the last resort: where nothing of ours knew the quote.

Its patterns are not linear, so it is given the beginning of the text only,
in short lines; and it is believed only where it found a header that names a
time or an address.
"""

import re
from collections.abc import Sequence
from functools import cache

from mailparser_reply import EmailReplyParser

MAX_LINES = 200
MAX_LINE = 200

_LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "sv", "da", "cs", "ja", "ko", "zh"]
_PROOF = re.compile(r"\d{1,2}[:.h]\d{2}|@|(?:19|20)\d{2}")


@cache
def _parser() -> EmailReplyParser:
    return EmailReplyParser(languages=_LANGUAGES)


def new_line_count(lines: Sequence[str]) -> int | None:
    """How many lines from the top are the answer; None where it finds no quote or something goes wrong."""
    head = [line.strip()[:MAX_LINE] for line in lines[:MAX_LINES]]
    text = "\n".join(head)
    if not _PROOF.search(text):  # then no header in it has one
        return None
    try:
        replies = _parser().read(text).replies
    except Exception:  # a parser of strangers' text: whatever it stumbles over, there is no answer
        return None
    if len(replies) < 2 or not _PROOF.search(replies[1].headers or ""):
        return None
    first = [line.strip() for line in replies[0].content.split("\n")]
    start = next((at for at, line in enumerate(head) if line), 0)
    same = head[start : start + len(first)] == first
    return start + len(first) if same and any(first) else None
