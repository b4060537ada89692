"""Read SMTP replies from what a far server sends, strictly (RFC 5321 §4.2.1).

A reply is lines of one code, each ended by CRLF, of bounded size. Octets
above 127 in the text are tolerated: the code is what counts.
"""

import re

from relay.delivery.breaks import NotSmtp

_LONGEST_LINE = 8192
_LONGEST_REPLY = 4 * _LONGEST_LINE
_REPLY_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])([^\r\n]*))?\r\n\Z")


def take_reply(buffer: bytearray) -> tuple[int, str] | None:
    """The complete reply at the head of `buffer`, taken out of it; None while it is incomplete.

    Its lines are joined with line feeds. Raises NotSmtp as soon as this cannot become a reply.
    """
    code, texts, start = b"", [], 0
    while (end := buffer.find(b"\n", start) + 1) > 0:
        line = bytes(buffer[start:end])
        found = _REPLY_LINE.match(line)
        if found is None or len(line) > _LONGEST_LINE or code not in (b"", found[1]):
            raise NotSmtp(f"no SMTP reply: {line[:80]!r}")
        code, start = found[1], end
        texts.append((found[3] or b"").decode("utf-8", "replace"))
        if end > _LONGEST_REPLY:
            break
        if found[2] != b"-":
            del buffer[:end]
            return int(code), "\n".join(texts)
    if len(buffer) > _LONGEST_REPLY:
        raise NotSmtp("a reply without end")
    return None
