"""The parts of a message and where they are, found in one pass over its octets (RFC 2046).

Nothing is copied, and no octet is looked at once per level: the delimiters of
all open multiparts are looked for together. What exceeds a budget stays in
one piece and is named in the flags.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inbound.reading.header import MAX_HEADER, read_content_fields
from inbound.reading.parameters import Parameterised, media_type, read_parameterised

MAX_DEPTH = 50
MAX_PARTS = 1000
_MAX_DASHES = 1_000_000  # lines that could be delimiters
_LONGEST_BOUNDARY = 200
_DASHES = re.compile(rb"\n--([^\r\n]{1,%d}+)[^\n]*+" % (_LONGEST_BOUNDARY + 2))
_END_OF_HEADER = re.compile(rb"\n\r?\n")


@dataclass(slots=True)
class Part:
    """One entity. Its body is `octets[start:end]`; `children` are those of a multipart, else empty."""

    content_type: str
    parameters: dict[str, str]
    disposition: Parameterised
    encoding: str
    content_id: str
    start: int
    end: int
    children: list["Part"] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    @property
    def filename(self) -> str:
        """As it was given."""
        return self.disposition.parameters.get("filename") or self.parameters.get("name", "")

    def leaves(self) -> Iterator["Part"]:
        """All parts that are no multipart, in order; the place of each is its number."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def read_tree(fields: dict[str, str], octets: bytes, flags: dict[str, None]) -> Part:
    """The tree of the message whose content fields are given and whose body is `octets`."""
    return _Reading(octets, flags).read(fields)


@dataclass(slots=True)
class _Open:
    """A multipart whose end was not seen yet."""

    part: Part
    boundary: bytes
    default_type: str


class _Reading:
    """One pass: the stack of what is open, and the part that the octets at hand belong to."""

    def __init__(self, octets: bytes, flags: dict[str, None]) -> None:
        self._octets = octets
        self._flags = flags
        self._stack: list[_Open] = []
        self._boundaries: dict[bytes, int] = {}
        self._count = self._dashes = 0

    def read(self, fields: dict[str, str]) -> Part:
        root = self._begin(fields, 0, "text/plain")
        if not self._stack:
            return root
        for start, end, text in self._dash_lines(0, len(self._octets)):
            if not self._stack:
                break
            level, is_close = self._level(text)
            if level is None:
                continue
            self._close_to(level, start)
            if is_close:
                self._pop(self._octets_end(start))
            elif self._count >= MAX_PARTS:
                self._flags["too_many_parts"] = None
                break
            else:
                self._next_part(end)
        self._finish()
        return root

    def _finish(self) -> None:
        if self._stack and "too_many_parts" not in self._flags:
            self._flags["malformed_multipart"] = None
        while self._stack:
            self._pop(None)

    def _next_part(self, line_end: int) -> None:
        """The entity behind a delimiter line, whose line end is at `line_end`."""
        parent = self._stack[-1]
        fields, start = self._header_at(line_end)
        part = self._begin(fields, start, parent.default_type)
        parent.part.children.append(part)

    def _begin(self, fields: dict[str, str], start: int, default_type: str) -> Part:
        """A part that goes on to the end of all, until something ends it."""
        self._count += 1
        given = media_type(fields["type"]) if fields.get("type", "").strip() else None
        part = Part(
            content_type=default_type if given is None else given.value or "application/octet-stream",
            parameters=given.parameters if given else {},
            disposition=read_parameterised(fields.get("disposition", "")),
            encoding=fields.get("transfer-encoding", ""),
            content_id=fields.get("id", "").strip().strip("<>")[:500],
            start=min(start, len(self._octets)),
            end=len(self._octets),
        )
        if part.content_type.startswith("multipart/"):
            self._push(part)
        return part

    def _push(self, part: Part) -> None:
        boundary = part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
        if len(self._stack) >= MAX_DEPTH:
            self._flags["too_deep"] = None
        elif not boundary or len(boundary) > _LONGEST_BOUNDARY or boundary in self._boundaries:
            self._flags["malformed_multipart"] = None
            part.content_type = "text/plain"
        else:
            default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
            self._boundaries[boundary] = len(self._stack)
            self._stack.append(_Open(part, boundary, default))

    def _pop(self, end: int | None) -> None:
        """End the innermost multipart. One without parts is shown as the text that it is."""
        closed = self._stack.pop()
        del self._boundaries[closed.boundary]
        if end is not None:
            closed.part.end = max(end, closed.part.start)
        if not closed.part.children:
            self._flags["malformed_multipart"] = None
            closed.part.content_type = "text/plain"

    def _close_to(self, level: int, line_start: int) -> None:
        """End the part at hand, and every multipart inside the one at `level`."""
        end = self._octets_end(line_start)
        while len(self._stack) > level + 1:
            self._flags["malformed_multipart"] = None
            self._end_last(end)
            self._pop(end)
        self._end_last(end)

    def _end_last(self, end: int) -> None:
        children = self._stack[-1].part.children
        if children and children[-1].end > end:
            children[-1].end = max(end, children[-1].start)

    def _octets_end(self, line_start: int) -> int:
        """Where the octets before a delimiter end: its line end belongs to it."""
        has_cr = line_start > 0 and self._octets[line_start - 1 : line_start] == b"\r"
        return max(line_start - has_cr, 0)

    def _level(self, text: bytes) -> tuple[int | None, bool]:
        """Whose delimiter the line is, and whether it is the last one."""
        text = text.rstrip(b" \t")
        level = self._boundaries.get(text)
        if level is None and text.endswith(b"--"):
            return self._boundaries.get(text[:-2]), True
        return level, False

    def _header_at(self, line_end: int) -> tuple[dict[str, str], int]:
        """The fields behind a delimiter line, and where the body begins."""
        octets, start = self._octets, min(line_end + 1, len(self._octets))
        found = _END_OF_HEADER.search(octets, line_end, line_end + MAX_HEADER)
        end, body = (found.start() + 1, found.end()) if found else (line_end + MAX_HEADER, -1)
        for dashes, _, text in self._dash_lines(line_end, min(end, len(octets))):
            if self._level(text)[0] is not None:
                return read_content_fields(octets[start:dashes]), dashes
        if body < 0:
            body = min(end, len(octets))
            self._flags["header_truncated" if end < len(octets) else "malformed_multipart"] = None
        return read_content_fields(octets[start:end]), body

    def _dash_lines(self, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
        """Where lines that begin with two hyphens begin (at the line end before) and end, and their text."""
        if start == 0 and self._octets.startswith(b"--"):
            line = self._octets[: _LONGEST_BOUNDARY + 4].split(b"\n")[0].rstrip(b"\r")
            line_end = self._octets.find(b"\n")
            yield 0, len(self._octets) if line_end < 0 else line_end, line[2:]
        for found in _DASHES.finditer(self._octets, start, end):
            self._dashes += 1
            if self._dashes > _MAX_DASHES:
                self._flags["too_many_parts"] = None
                return
            yield found.start(), found.end(), found[1]
