"""The story of one attempt, for `explain`: what we said, what was answered, what we decided.

No content, no secrets, and bounded: a talkative server cannot fill the store.
"""

import re

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]")


class Trail:
    """Lines in order, some of which concern one recipient only."""

    def __init__(self, max_lines: int = 500, max_width: int = 400) -> None:
        self._lines: list[tuple[int | None, str]] = []
        self._max_lines = max_lines
        self._max_width = max_width
        self._left_out = 0

    def note(self, text: str, recipient_id: int | None = None) -> None:
        """Add one line; past the limit it is only counted."""
        if len(self._lines) >= self._max_lines:
            self._left_out += 1
            return
        if not (text.isascii() and text.isprintable()):
            text = _UNPRINTABLE.sub("?", text)
        self._lines.append((recipient_id, text[: self._max_width]))

    def said(self, line: str, recipient_id: int | None = None) -> None:
        self.note(f"> {line}", recipient_id)

    def heard(self, line: str, recipient_id: int | None = None) -> None:
        self.note(f"< {line}", recipient_id)

    def lines(self) -> tuple[str, ...]:
        """Everything."""
        return (*(text for _, text in self._lines), *self._ending())

    def of_recipient(self, recipient_id: int) -> tuple[str, ...]:
        """What concerns this recipient, or all of them."""
        texts = (text for about, text in self._lines if about in (None, recipient_id))
        return (*texts, *self._ending())

    def _ending(self) -> tuple[str, ...]:
        return (f"({self._left_out} more lines)",) if self._left_out else ()
