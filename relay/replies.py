"""What one side of an SMTP conversation answers: code, enhanced code and text as one value.

RFC 5321 §4.2 gives the code, RFC 3463 the enhanced code. Ours always carry
both, and cannot disagree about who is to blame; a far server's may lack the
enhanced one.
"""

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)")
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """One reply. `text` may hold several lines, separated by a line feed.

    The class digit of `enhanced`, when there is one, equals that of `code`
    (RFC 3463 §2); anything else raises ValueError, so a temporary failure
    can never be sent with a permanent enhanced code.
    """

    code: int
    enhanced: str | None
    text: str

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"not a final SMTP reply code: {self.code}")
        if self.enhanced is not None and self.enhanced[0] != str(self.code)[0]:
            raise ValueError(f"{self.code} and {self.enhanced} disagree")

    @classmethod
    def read(cls, code: int, text: str) -> "SmtpReply":
        """A reply as a far server gave it: hostile text, the enhanced code perhaps missing.

        An enhanced code that contradicts the code, or that has no text behind
        it to speak of, is not believed. Control characters become question marks.
        """
        lines = [_UNPRINTABLE.sub("?", line) for line in text.splitlines()] or [""]
        found = _ENHANCED.match(lines[0])
        if found is None or found[1] != str(code)[0]:
            return cls(code, None, "\n".join(lines))
        enhanced = f"{int(found[1])}.{int(found[2])}.{int(found[3])}"
        prefix = found[0]
        return cls(code, enhanced, "\n".join(line.removeprefix(prefix) for line in lines))

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    def lines(self) -> list[str]:
        """The wire form without line ends, as RFC 5321 §4.2.1 lays out several lines."""
        texts = self.text.split("\n")
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        *firsts, last = (f"{enhanced}{text}".rstrip() for text in texts)
        return [f"{self.code}-{line}" for line in firsts] + [f"{self.code} {last}".rstrip()]

    def __str__(self) -> str:
        text = " ".join(self.text.split("\n"))
        return " ".join(part for part in (str(self.code), self.enhanced, text) if part)


TEMPORARY_FAULT = SmtpReply(451, "4.3.0", "Temporary failure on our side, please try again")
