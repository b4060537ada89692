"""Lines that announce a quote or a forward: `On … wrote:`, Outlook's From/Sent/To/Subject, separators.

In the languages that mail programs write them in. A line that begins a
quote ends what is new, so a person's own words must not be taken for one:
it names a time or an address, and is followed by what it announces.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from inbound.reading import budget
from inbound.reading.phrases import (
    BEGIN_FORWARDED,
    FIELDS,
    FORWARDED_MESSAGE,
    ORIGINAL_MESSAGE,
    WROTE,
    WROTE_UNSPACED,
)

Kind = Literal["attribution", "loose", "header", "original", "forward"]

MAX_LINE = 400
_MARKS = "\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_END = re.compile(rf"[:：][\s{_MARKS}*]*\Z")
_VERB = re.compile(rf"(?<!\w){WROTE}(?!\w)|{WROTE_UNSPACED}", re.IGNORECASE)
# Yahoo's programs put the quote behind the colon.
_QUOTE_BEHIND = re.compile(rf"(?<!\w){WROTE}[:：](?=\s{{2}}\s*\S)", re.IGNORECASE)
_TO_YOU = re.compile(
    r"(?<!\w)(?:you|du|ihr|sie|vous|tú|usted|tu|jij|u|ni)(?: \w+)? (?:wrote|schrieb|écrit)", re.IGNORECASE
)
_TIME = re.compile(r"\d{1,2}\s?(?:[:.h時时시点點]\s?\d{2})|(?:午前|午後|上午|下午|오전|오후)")
_DATE = re.compile(r"(?:19|20)\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2}")
_ADDRESS = re.compile(r"[^\s<>()]{1,64}@[^\s<>()]{1,200}")
_ADDRESS_LAST = re.compile(
    rf"[<(\[][^\s<>()]{{1,64}}@[^\s<>()]{{1,200}}[>)\]][\s{_MARKS}>)]*[:：][\s{_MARKS}]*\Z"
)
_LEAD = re.compile(
    r"[\s*-]*(?:on|am|le|el|il|em|op|den|dne|dnia|w dniu|la|à|at|pe|a|în|ngày|pada|vào|em)\s", re.IGNORECASE
)

_DASHES = r"\s*[-_=]{2,40}\s*"
_ORIGINAL = re.compile(rf"{_DASHES}{ORIGINAL_MESSAGE}{_DASHES}\Z", re.IGNORECASE)
_FORWARD = re.compile(
    rf"{_DASHES}{FORWARDED_MESSAGE}{_DASHES}\Z|\s*{BEGIN_FORWARDED}\s*[:：]?\s*\Z", re.IGNORECASE
)
_RULE = re.compile(r"\s*(?:[_-]{5,200}|\*{5,200})\s*\Z")
_FIELD = "|".join(f"(?P<{kind}>{names})" for kind, names in FIELDS.items())
_HEADER_LINE = re.compile(rf"[\s*>]*(?:{_FIELD})\*?\s?[:：]\*?\s*.{{0,400}}", re.IGNORECASE)


class Marker(NamedTuple):
    """Lines `start` to `end` (not included) say what follows them."""

    start: int
    end: int
    kind: Kind


def markers(lines: Sequence[str], skipped: set[int]) -> list[Marker]:
    """Every announcement outside the lines that are `skipped`, from the top."""
    found: list[Marker] = []
    at = announcements = 0
    while at < len(lines):
        marker = None
        if at not in skipped:
            announces = len(lines[at]) <= MAX_LINE and _ends_with_colon(lines[at])
            announcements += announces
            announces = announces and announcements <= budget.MAX_ANNOUNCEMENTS
            marker = _marker_at(lines, at, found[-1].end if found else 0, announces=announces)
        if marker:
            found.append(marker)
        at = max(at + 1, marker.end if marker else 0)
    return found


def is_forward(text: str) -> bool:
    """Whether one of its first lines begins a forwarded message."""
    return any(_FORWARD.match(line[:MAX_LINE]) for line in text.strip().split("\n", 6)[:6])


def _ends_with_colon(line: str) -> bool:
    return (":" in line or "：" in line) and bool(_END.search(line))


def _marker_at(lines: Sequence[str], at: int, floor: int, *, announces: bool) -> Marker | None:
    line = lines[at]
    if len(line) > MAX_LINE or not line.strip():
        return None
    if _FORWARD.match(line):
        return Marker(at, at + 1, "forward")
    if _ORIGINAL.match(line):
        return Marker(at, at + 1, "original")
    if end := _end_of_header(lines, at):
        return Marker(_with_rule(lines, at, floor), end, "header")
    if announces:
        return _attribution(lines, at, floor)
    within = _QUOTE_BEHIND.search(line)
    is_one = within and _begins(line.strip()) and _kind_of(line[: within.end()].strip()) == "attribution"
    return Marker(at, at + 1, "attribution") if is_one else None


def _with_rule(lines: Sequence[str], at: int, floor: int) -> int:
    """The line of underscores above an Outlook header belongs to it."""
    for place in range(at - 1, max(at - 4, floor - 1), -1):
        if _RULE.match(lines[place][:MAX_LINE]):
            return place
        if lines[place].strip():
            break
    return at


def _end_of_header(lines: Sequence[str], at: int) -> int:
    """Where the block of From, Sent, To, Subject that begins here ends; 0 if none begins."""
    first = _HEADER_LINE.match(lines[at][:MAX_LINE])
    if first is None or first.lastgroup not in ("from", "sent"):
        return 0
    said: dict[str, str] = {}
    end, others = at, 0
    for place in range(at, min(at + 16, len(lines))):
        found = _HEADER_LINE.match(lines[place][:MAX_LINE])
        if found:
            said.setdefault(found.lastgroup or "", found[0])
            end, others = place + 1, 0
        elif lines[place].strip():
            others += 1  # a long list of recipients
        if others > 3:
            break
    is_dated = bool(re.search(r"\d", said.get("sent", "")))
    is_addressed = "subject" in said or "@" in "".join(said.values())
    return end if {"from", "sent"} <= set(said) and len(said) > 2 and is_dated and is_addressed else 0


def _attribution(lines: Sequence[str], at: int, floor: int) -> Marker | None:
    """The announcement that ends with this line, perhaps begun up to three lines above."""
    best: Marker | None = None
    joined = ""
    for start in range(at, max(at - 4, floor - 1), -1):
        line = lines[start].strip()
        if not line or line.startswith(">") or len(joined) + len(line) > MAX_LINE:
            break
        joined = f"{line} {joined}".strip()
        if kind := _kind_of(joined):
            if kind == "attribution" and _begins(line):
                return Marker(start, at + 1, kind)
            best = best if best and best.kind == kind else Marker(start, at + 1, kind)
    return best


def _begins(line: str) -> bool:
    return bool(_LEAD.match(line) or line[:1].isdigit() or line[:1] in "*-")


def _kind_of(text: str) -> Kind | None:
    if _TO_YOU.search(text):
        return None
    verb = _VERB.search(text)
    address, time, date = _ADDRESS.search(text), _TIME.search(text), _DATE.search(text)
    if verb and ((address and (time or date)) or (_begins(text) and (time or address))):
        return "attribution"
    if _ADDRESS_LAST.search(text) and (time or date):
        return "attribution"
    return "loose" if verb and len(text.split()) <= 14 and len(text) - verb.end() < 12 else None
