"""What is new in an answer, apart from what it quotes and from its signature.

We sent most of what is quoted to us, so the parent that we stored is looked
for first, wherever its lines stand; then what mail programs write above a
quote; then a library's patterns. A forward keeps what it forwards. When in
doubt, text counts as new: nothing that somebody wrote may get lost.
"""

from collections.abc import Iterable, Sequence

from inbound.reading import budget
from inbound.reading.answers import old_from
from inbound.reading.attribution import markers
from inbound.reading.hidden import look, look_at
from inbound.reading.html_tree import parse
from inbound.reading.invisible import without_unseen
from inbound.reading.parent_match import ParentMatch
from inbound.reading.parsed import Separated
from inbound.reading.quoted_html import Taken, take_quotes
from inbound.reading.reply_parser import new_line_count
from inbound.reading.signatures import part_signature


def separate(
    text: str,
    html: str | None,
    parent_text: str | None = None,
    parent_html: str | None = None,
    *,
    forwarded: bool = False,
) -> Separated:
    """The new part of a message.

    `forwarded` says that its subject names it a forward: then Outlook's block
    of From/Sent/To/Subject begins what is passed on, not a quote. Every line
    of `extracted_text` is a line of `text`, or of the HTML's text where there
    is no other. Where nothing would be left, everything counts as new. Never
    raises, and takes time in proportion to the length of what it is given.
    """
    root = parse(html) if html else None
    visible, hidden = look_at(root) if root else without_unseen(text)
    text = text if text.strip() else visible
    parent = ParentMatch([parent_text or (look(parent_html)[0] if parent_html else "")])
    taken = take_quotes(root, parent, forwarded=forwarded) if root else Taken()
    parent.learn(taken.removed)
    lines, beyond = _first_lines(text)
    kept, passed_on = _new_lines(lines, parent, taken, forwarded)
    written, signature = _joined(lines, kept), list[str]()
    if not beyond:
        written, signature = part_signature(written)
    extracted = _trimmed([*written, *_joined(lines, passed_on), *_new_beyond(lines, kept, passed_on, beyond)])
    if not extracted:
        extracted, signature = _trimmed([*lines, *beyond]), []
    return Separated(
        extracted_text="\n".join(extracted),
        extracted_html=taken.html or html,
        signature="\n".join(_trimmed(signature)),
        visible_text=visible,
        hidden_text=hidden,
    )


def _first_lines(text: str) -> tuple[list[str], list[str]]:
    """The lines that are looked at, and all that stands behind them as one, if there is any."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n", budget.MAX_LINES)
    return lines[: budget.MAX_LINES], lines[budget.MAX_LINES :]


def _new_beyond(lines: Sequence[str], kept: Sequence[int], passed_on: range, beyond: list[str]) -> list[str]:
    """What stands behind the lines that were looked at is old where the last hundred of them are."""
    is_old = not passed_on and (not kept or kept[-1] < len(lines) - 100)
    return [] if is_old else beyond


def _new_lines(
    lines: Sequence[str], parent: ParentMatch, taken: Taken, forwarded: bool
) -> tuple[list[int], range]:
    """The numbers of the lines that are new, and those of what is passed on below them."""
    quoted = _marked(lines)
    repeated = parent.runs(lines, quoted)
    is_old, end = quoted | repeated, len(lines)
    for marker in markers(lines, is_old):
        if marker.kind == "forward" or (forwarded and marker.kind in ("header", "original")):
            end = marker.start
            break
        below = next((at for at in range(marker.end, len(lines)) if lines[at].strip()), None)
        if below in quoted or (taken.removed and below in repeated):
            is_old |= set(range(marker.start, marker.end))
        elif marker.kind != "loose":
            is_old |= old_from(lines, marker.start, marker.end, parent, is_old)
            break
    kept = [at for at in range(end) if at not in is_old]
    if len(kept) == len(lines) and (count := new_line_count(lines)) is not None:
        kept = kept[:count]
    return kept, range(end, len(lines))


def _marked(lines: Sequence[str]) -> set[int]:
    """Lines behind `>`; a single `>From` is what a mailbox file makes of a line that begins so."""
    marked = {at for at, line in enumerate(lines) if line[:4].lstrip(" \t").startswith(">")}
    if all(lines[at].startswith(">>> ") for at in marked):
        return set()  # what somebody typed into Python
    return {at for at in marked if not lines[at].startswith(">From ") or at - 1 in marked or at + 1 in marked}


def _joined(lines: Sequence[str], kept: Iterable[int]) -> list[str]:
    """These lines, with one empty line where others stood between."""
    joined: list[str] = []
    last = None
    for at in kept:
        if last is not None and at != last + 1:
            while joined and not joined[-1].strip():
                joined.pop()
            joined.append("")
        if lines[at].strip() or (joined and joined[-1].strip()) or last == at - 1:
            joined.append(lines[at])
        last = at
    return joined


def _trimmed(lines: Sequence[str]) -> list[str]:
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return list(lines[start:end])
