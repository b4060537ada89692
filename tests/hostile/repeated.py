"""How messages are made that are small to write and dear to read: one thing over and over, to a given size.

Headers stay below the limit of the door.
"""

import base64
from collections.abc import Callable

Bomb = Callable[[int], tuple[bytes, bytes]]

KIB = 1024
FROM = b"From: ann@far.example\r\nTo: app@ours.test\r\n"
HTML = FROM + b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
PLAIN = FROM + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
MIXED = FROM + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
LONGEST_HEADER = 90 * KIB


def filled(unit: bytes, size: int) -> bytes:
    """`unit` over and over, about `size` octets."""
    return unit * (size // len(unit))


def numbered(unit: Callable[[int], bytes], size: int) -> bytes:
    """What `unit` makes of 0, 1, 2 …, about `size` octets."""
    pieces: list[bytes] = []
    octets = number = 0
    while octets < size:
        pieces.append(unit(number))
        octets += len(pieces[-1])
        number += 1
    return b"".join(pieces)


def wrapped(octets: bytes, width: int = 76) -> bytes:
    return b"\r\n".join(octets[at : at + width] for at in range(0, len(octets), width)) + b"\r\n"


def plain(unit: bytes) -> Bomb:
    return lambda size: (PLAIN, filled(unit, size))


def page(unit: bytes, start: bytes = b"<html><body>\r\n", end: bytes = b"\r\n</body></html>\r\n") -> Bomb:
    return lambda size: (HTML, start + filled(unit, size) + end)


def pages(unit: Callable[[int], bytes], start: bytes = b"<html><body>\r\n") -> Bomb:
    return lambda size: (HTML, start + numbered(unit, size) + b"\r\n</body></html>\r\n")


def mixed(unit: bytes, end: bytes = b"--b--\r\n") -> Bomb:
    return lambda size: (MIXED, filled(unit, size) + end)


def header(name: bytes, unit: bytes, rest: bytes = b"") -> Bomb:
    """One long field, folded as often as `unit` says, in mail that is otherwise small."""
    return lambda size: (
        PLAIN + rest + name + b": " + filled(unit, min(size, LONGEST_HEADER)).rstrip() + b"\r\n",
        b"hello\r\n",
    )


def encoded(encoding: bytes, unit: bytes, kind: bytes = b"text/plain") -> Bomb:
    head = FROM + b"MIME-Version: 1.0\r\nContent-Type: " + kind
    return lambda size: (
        head + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n",
        filled(unit, size) + b"\r\n",
    )


def in_charset(charset: bytes, unit: bytes) -> Bomb:
    head = FROM + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + charset
    return lambda size: (
        head + b"\r\nContent-Transfer-Encoding: base64\r\n",
        wrapped(base64.b64encode(filled(unit, size * 3 // 4 * 76 // 78))),
    )


def nested(kind: bytes) -> Bomb:
    """Each level with a boundary of its own."""

    def make(size: int) -> tuple[bytes, bytes]:
        def level(number: int) -> bytes:
            return b'--%d\r\nContent-Type: %s; boundary="%d"\r\n\r\n' % (number, kind, number + 1)

        return FROM + b'Content-Type: %s; boundary="0"\r\n' % kind, numbered(level, size)

    return make


def rich_alternatives(size: int) -> tuple[bytes, bytes]:
    """A thousand pages of which each could be what is shown."""
    piece = filled(b"<p>hello <b>you</b></p>\r\n", max(size // 900 - 60, 30))
    part = b"--b\r\nContent-Type: text/html\r\n\r\n" + piece
    return MIXED.replace(b"mixed", b"alternative"), filled(part, size) + b"--b--\r\n"


def many_pages(size: int) -> tuple[bytes, bytes]:
    piece = filled(b"<div><blockquote>hello</blockquote></div>\r\n", max(size // 900 - 60, 50))
    part = b"--b\r\nContent-Type: text/html\r\n\r\n" + piece
    return MIXED, filled(part, size) + b"--b--\r\n"


def many_attachments(size: int) -> tuple[bytes, bytes]:
    piece = wrapped(filled(b"QUJD", max(size // 900 - 200, 80)))
    head = b"--b\r\nContent-Type: x/y; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return MIXED, filled(head + piece, size) + b"--b--\r\n"


def part_headers(size: int) -> tuple[bytes, bytes]:
    """A thousand parts, nearly all header."""
    lines = filled(b"Content-Typo: x; " + b"y=z; " * 12 + b"\r\n", max(size // 900 - 60, 100))
    return MIXED, filled(b"--b\r\n" + lines + b"\r\nx\r\n", size) + b"--b--\r\n"


def odd_part_headers(size: int) -> tuple[bytes, bytes]:
    """Colons, spaces and hyphens where a field could begin and does not."""
    lines = filled(b"content-type \t \t \t x\r\n" + b" \r\n--\r\n", max(size // 900 - 60, 100))
    return MIXED, filled(b"--b\r\n" + lines + b"x\r\n", size) + b"--b--\r\n"


def report(kind: bytes, unit: bytes) -> Bomb:
    head = FROM + b'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=x; boundary="b"\r\n'

    def make(size: int) -> tuple[bytes, bytes]:
        part = b"--b\r\nContent-Type: " + kind + b"\r\n\r\n"
        returned = b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + filled(unit, size // 2)
        return head, b"--b\r\n\r\nsee below\r\n" + part + filled(unit, size // 2) + returned + b"--b--\r\n"

    return make


def notice(unit: bytes) -> Bomb:
    head = (
        b"From: MAILER-DAEMON@far.example\r\nTo: app@ours.test\r\nSubject: Undelivered\r\nReturn-Path: <>\r\n"
    )
    return lambda size: (head, filled(unit, size))


def signed(names: bytes, body: bytes, canonical: bytes = b"relaxed/relaxed", count: int = 1) -> Bomb:
    """Signatures that are wrong, which only who reads the whole body finds out."""

    def make(size: int) -> tuple[bytes, bytes]:
        one = (
            b"DKIM-Signature: v=1; a=rsa-sha256; c="
            + canonical
            + b"; d=far.example; s=key; h="
            + names
            + b";\r\n"
            b" bh=" + base64.b64encode(b"x" * 32) + b";\r\n b=" + base64.b64encode(b"y" * 256) + b"\r\n"
        )
        return one * count + PLAIN, filled(body, size)

    return make


def arc(count: int) -> Bomb:
    def make(size: int) -> tuple[bytes, bytes]:
        sets = b"".join(
            b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=far.example; s=key; b=AAAA\r\n"
            b"ARC-Message-Signature: i=%d; a=rsa-sha256; c=relaxed/relaxed; d=far.example; s=key; h=from;"
            b" bh=AA; b=A\r\n"
            b"ARC-Authentication-Results: i=%d; ours.test; spf=pass\r\n"
            % (number, b"pass" if number > 1 else b"none", number, number)
            for number in range(count, 0, -1)
        )
        return sets + PLAIN, filled(b"hello \t \t\r\n", size)

    return make


def styled(size: int) -> tuple[bytes, bytes]:
    """Rules and classes that meet in every element."""
    rules = numbered(lambda n: b".c%d{color:#%06x;font-size:%dpx}" % (n, n, n), min(size // 4, 500 * KIB))
    names = b" ".join(b"c%d" % n for n in range(20))
    spans = filled(b'<i class="' + names + b'" id=c1 style="a:b">x</i>', size - len(rules))
    return HTML, b"<style>" + rules + b"</style>\r\n" + spans


def formatting(size: int) -> tuple[bytes, bytes]:
    """Formatting that goes on behind each block."""
    return HTML, filled(b"<b><i><u><p>x</b></i></u>", size)


def deep_then_wide(size: int) -> tuple[bytes, bytes]:
    return HTML, b"<div>" * 600 + filled(b"</p><td></x></b><li><p>", size)


def gif(size: int) -> tuple[bytes, bytes]:
    url = b'<img src="data:image/gif;base64,' + filled(b"R0lG", max(size - 100, 4)) + b'">'
    return HTML, b"<p>hello</p>" + wrapped(url, 900)


def answers(size: int) -> tuple[bytes, bytes]:
    """Short quotes, each with a line of an answer."""
    return PLAIN, numbered(lambda n: b"> what about %d?\r\nyes, %d\r\n\r\n" % (n, n), size)


def attributions(size: int) -> tuple[bytes, bytes]:
    return PLAIN, numbered(
        lambda n: b"On Mon, 1 Jan 2024 at 10:%02d, Ann <ann%d@far.example> wrote:\r\n\r\n" % (n % 60, n), size
    )


def outlook_blocks(size: int) -> tuple[bytes, bytes]:
    fields = b"<p>From: a</p><p>Sent: 1 2024</p><p>To: b</p><p>Subject: c</p>"
    return HTML, filled(b'<div style="border-top:solid 1pt">' + fields + b"</div>\r\n", size)


def uuencoded(size: int) -> tuple[bytes, bytes]:
    line = b"M" + b"#0V%T" * 12 + b"\r\n"
    return PLAIN, b"begin 644 a.txt\r\n" + filled(line, size) + b"`\r\nend\r\n"


def calendar(size: int) -> tuple[bytes, bytes]:
    event = b'BEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY\r\nATTENDEE;CN="x":mailto:a@b\r\nEND:VEVENT\r\n'
    return FROM + b"MIME-Version: 1.0\r\nContent-Type: text/calendar; method=REQUEST\r\n", filled(event, size)
