"""The signature below what somebody wrote: after `-- `, after a closing, or what a telephone adds."""

import re
from collections.abc import Sequence

from inbound.reading.phrases import CLOSING, FROM_A_DEVICE

MAX_SIGNATURE = 30  # lines
_MAX_CLOSING = 10
_MAX_LINE = 200

_DASHES = re.compile(r"\s*(?:-- ?|—|__+|--\xa0)\s*\Z")
# A list, a question, something that is announced, or a sentence.
_NO_SIGNATURE = re.compile(r"\A(?:[-*•]|\d{1,2}[.)])\s|[?？:]\Z|(?:\S+\s+){7}.*[.!…。]\Z")
_DEVICE = re.compile(rf"\s*{FROM_A_DEVICE}", re.IGNORECASE)
_CLOSING = re.compile(rf"\s*{CLOSING}[\s,.!。、]*\Z", re.IGNORECASE)


def part_signature(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """What was written, and the signature below it; a message is never all signature."""
    at = _signature_start(lines)
    if at is None or not any(line.strip() for line in lines[:at]):
        return list(lines), []
    return list(lines[:at]), list(lines[at:])


def _signature_start(lines: Sequence[str]) -> int | None:
    """The first line of the signature; the earliest sign of one among the last lines wins."""
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    for at in range(max(last - MAX_SIGNATURE, 0), last):
        line = lines[at]
        if len(line) > _MAX_LINE:
            continue
        is_start = (_DASHES.match(line) and at + 1 < last) or (
            _CLOSING.match(line) and _is_block(lines[at + 1 : last])
        )
        if is_start or (_DEVICE.match(line) and last - at <= 3):
            return at
    return None


def _is_block(lines: Sequence[str]) -> bool:
    """A name, perhaps with telephone numbers and the like below: short lines, no sentence and no list."""
    said = [line.strip() for line in lines if line.strip()]
    if not 0 < len(said) <= _MAX_CLOSING or len(said[0].split()) > 4 or ":" in said[0]:
        return False
    return not any(_NO_SIGNATURE.search(line) or len(line) > 90 for line in said)
