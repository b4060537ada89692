"""What a fuzzed client says: SMTP commands by a grammar, right, wrong and damaged, and message content.

Everything is drawn from the `Random` that is handed in, so a session can be
said again by its seed. A `Sentence` knows whether it is right by the grammar;
whether it is right in its place is for `model`.
"""

import base64
from dataclasses import dataclass
from random import Random

OURS = "ours.test"
ME = f"app@{OURS}"
FAR = "ann@far.example"
LARGEST = 65536  # of the daemon that is spoken to
HEADER_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Sentence:
    """One command line with its line end. `kind` is how it was made; `address` whom a right one names."""

    line: bytes
    kind: str  # right, wrong, damaged
    address: str = ""

    @property
    def verb(self) -> str:
        return self.line.partition(b" ")[0].strip().upper().decode("latin-1")


@dataclass(frozen=True, slots=True)
class Content:
    """What stands between 354 and the reply, its end included; the codes that may follow."""

    octets: bytes
    codes: frozenset[int]


_NAMES = (b"client.example", b"[127.0.0.1]", b"[IPv6:::1]", b"x", b"-", b"a_b", b"a" * 255)
_BAD_NAMES = (b"", b" ", b"a" * 256)
_SENDERS = (f"<{ME}>", f"<{ME.upper()}>", f"<@a.example,@b.example:{ME}>", f'<"app"@{OURS}>')
_RECIPIENTS = (
    *(f"<{ME}>", f"<{ME}>", f"<app+tag@{OURS}>", f"<postmaster@{OURS}>", "<Postmaster>", f"<nobody@{OURS}>"),
    *("<bob@far.example>", "<bob@xn--bcher-kva.example>", "<bob@[192.0.2.1]>", f"<@a.example:{ME}>"),
)
_BAD_PATHS = (
    *("", "<", ">", "><", ME, f"<{ME}", f"{ME}>", f"<<{ME}>>"),
    *(f"<{ME}>x", "<a b@c.example>", "<@>", "<a@>", "<@a>"),
    *(f"<{ME},{FAR}>", f"<{ME}><{FAR}>", "<a@b@c.example>"),
    *("<a..b@c.example>", "<.a@c.example>", "<a.@c.example>"),
    *(f"<=?utf-8?q?x=0d=0aRCPT=20TO:=3Ca@b=3E?=@{OURS}>"),
    *(f'<"a>b"@{OURS}>', f'<"a\\"@{OURS}>', "<a@b..example>"),
    *("<a@-b.example>", "<a@b-.example>", "<a@[1.2.3]>"),
    *("<a@[IPv6:x]>", f"<{'a' * 65}@{OURS}>", "<é@ours..test>"),
    *(f"<a@{'b' * 64}.example>", f"<a@{'b.' * 130}example>"),
    *("<(a)b@c.example>", "<a@b.example(c)>", "<a;b:c>"),
)  # fmt: skip
_MAIL_PARAMETERS = (
    *(" SIZE=100", " size=0", f" SIZE={LARGEST}", " BODY=8BITMIME", " BODY=7BIT", " SMTPUTF8", " AUTH=<>"),
    *(" RET=FULL", " RET=HDRS", " ENVID=abc", " ENVID=a+2Bb", "  SIZE=5  ", " AUTH=a+40b"),
)
_BAD_MAIL_PARAMETERS = (
    *(" SIZE", " SIZE=x", " SIZE=-1", " BODY=BINARYMIME"),
    *(" SMTPUTF8=1", " AUTH=", " RET=x", " ENVID=", " X=1"),
    *(" ENVID=" + "a" * 101, " SIZE=1 SIZE=2", " =", " =1"),
    *(" ENVID=a+0Db", " NOTIFY=NEVER", " \x7f", " SIZE=" + "9" * 21),
)  # fmt: skip
_RCPT_PARAMETERS = (
    *(" NOTIFY=NEVER", " NOTIFY=SUCCESS,FAILURE", " notify=delay", " ORCPT=rfc822;a@b.example"),
    *(" ORCPT=rfc822;a+2Bb NOTIFY=FAILURE",),
)
_BAD_RCPT_PARAMETERS = (
    *(" NOTIFY=", " NOTIFY=NEVER,DELAY", " NOTIFY=x", " ORCPT=x", " ORCPT=;a", " ORCPT=rfc822;", " SIZE=1"),
    *(" ORCPT=rfc822;a+0Ab", " ORCPT=rfc822;" + "a" * 600, " NOTIFY=DELAY NOTIFY=DELAY", " X", " AUTH=<>"),
)
_STRANGE = (
    *(b"", b" ", b"\t", b"\r", b"XYZZY", b"EHLOX a", b"MAILFROM:<a@b>", b"BDAT 100 LAST", b"ETRN x", b"TURN"),
    *(b"GET / HTTP/1.1", b"Subject: x", b"POST x", b"\x16\x03\x01"),
    *(b"\x80\x2e\x01", b"PROXY TCP4 1 2 3 4", b"."),
    *(b"XCLIENT ADDR=1.2.3.4", b"SEND FROM:<a@b>", b"\xff\xfb\x01"),
    *(b"RCPT", b"MAIL", b"AUTH", b"DATA x", b"RSET x"),
    *(b"QUIT x", b"STARTTLS x", b"MAIL TO:<a@b>", b"RCPT FROM:<a@b>"),
    *(b"HELP " + b"x" * 500, b"NOOP " + b"%n" * 99),
)  # fmt: skip
_DAMAGE = (
    b"\0",
    b"\r",
    b"\t",
    b" ",
    b"<",
    b">",
    b":",
    b"@",
    b'"',
    b"\\",
    b"\xff",
    b"\xc3\x28",
    b"\x7f",
    b"=",
)


def sentence(chance: Random, login: tuple[str, str]) -> Sentence:
    """One command; most are right, so that sessions get somewhere."""
    draw = chance.random()
    if draw < 0.62:
        return _right(chance, login)
    if draw < 0.82:
        return _wrong(chance, login)
    if draw < 0.9:
        return Sentence(chance.choice(_STRANGE) + b"\r\n", "damaged")
    return _damaged(chance, _right(chance, login).line)


def way_to_mail(chance: Random, login: tuple[str, str]) -> list[Sentence]:
    """What leads to an accepted message, if nothing is in the way."""
    steps = [hello(chance), mail(chance)]
    steps += [recipient(chance) for _ in range(chance.choice((1, 1, 2, 4)))]
    return [*steps, Sentence(b"DATA\r\n", "right")]


def hello(chance: Random) -> Sentence:
    verb = chance.choice((b"EHLO", b"EHLO", b"EHLO", b"HELO", b"ehlo"))
    return Sentence(verb + b" " + chance.choice(_NAMES) + b"\r\n", "right")


def mail(chance: Random) -> Sentence:
    verb, path = chance.choice(("MAIL FROM:", "mail from:", "MAIL FROM: ")), chance.choice((*_SENDERS, "<>"))
    parameters = "".join(chance.sample(_MAIL_PARAMETERS[:1] + _MAIL_PARAMETERS[3:4], chance.randrange(3)))
    if chance.random() < 0.3:
        parameters = chance.choice(_MAIL_PARAMETERS)
    return Sentence(f"{verb}{path}{parameters}\r\n".encode(), "right", path)


def recipient(chance: Random) -> Sentence:
    path = chance.choice(_RECIPIENTS)
    parameters = chance.choice(_RCPT_PARAMETERS) if chance.random() < 0.3 else ""
    return Sentence(f"RCPT TO:{path}{parameters}\r\n".encode(), "right", path)


def credentials(login: tuple[str, str]) -> bytes:
    return base64.b64encode(f"\0{login[0]}\0{login[1]}".encode())


def _right(chance: Random, login: tuple[str, str]) -> Sentence:
    draw = chance.randrange(14)
    if draw < 2:
        return hello(chance)
    if draw < 5:
        return mail(chance)
    if draw < 9:
        return recipient(chance)
    if draw == 9:
        return Sentence(b"AUTH PLAIN " + credentials(login) + b"\r\n", "right")
    if draw < 12:
        return Sentence(b"DATA\r\n", "right")
    others = (b"RSET", b"NOOP", b"NOOP x", b"VRFY a", b"EXPN a", b"HELP", b"STARTTLS", b"noop")
    return Sentence(chance.choice(others) + b"\r\n", "right")


def _wrong(chance: Random, login: tuple[str, str]) -> Sentence:
    """Wrong in itself, whatever went before."""
    draw = chance.randrange(12)
    if draw < 3:
        return _line(f"MAIL FROM:{chance.choice(_BAD_PATHS)}")
    if draw < 6:
        return _line(f"RCPT TO:{chance.choice(_BAD_PATHS)}")
    if draw < 8:
        return _line(f"MAIL FROM:<{ME}>{chance.choice(_BAD_MAIL_PARAMETERS)}")
    if draw < 10:
        return _line(f"RCPT TO:<{ME}>{chance.choice(_BAD_RCPT_PARAMETERS)}")
    if draw == 10:
        return Sentence(b"EHLO " + chance.choice(_BAD_NAMES) + b"\r\n", "wrong")
    mechanisms = ("CRAM-MD5", "PLAIN !", "PLAIN AAAA", "LOGIN =", "", "PLAIN a b c", "XOAUTH2 x")
    return _line(f"AUTH {chance.choice(mechanisms)}")


def _line(text: str) -> Sentence:
    return Sentence(text.encode() + b"\r\n", "wrong")


def _damaged(chance: Random, line: bytes) -> Sentence:
    octets = bytearray(line)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(max(len(octets) - 2, 1))
        draw = chance.randrange(5)
        if draw == 0:
            octets[at:at] = chance.choice(_DAMAGE)
        elif draw == 1:
            del octets[at : at + chance.randrange(1, 6)]
        elif draw == 2:
            octets[at : at + 1] = bytes([chance.randrange(256)])
        elif draw == 3:
            octets[at:at] = octets[: chance.randrange(20)]
        else:
            octets[at:at] = chance.choice((b"a", b" ", b"\xe9", b"<")) * chance.choice((10, 600, 5000))
    end = b"\n" if chance.random() < 0.05 else b"\r\n"
    return Sentence(bytes(octets).replace(b"\n", b"").removesuffix(b"\r") + end, "damaged")


def content(chance: Random, *, is_mx: bool) -> Content:
    """A message with its end; what the client did wrong in it, if anything, decides the codes."""
    octets, codes = _message(chance, is_mx)
    octets = octets.replace(b"\r\n.", b"\r\n..")
    if octets.startswith(b"."):
        octets = b"." + octets
    return Content(octets + (b".\r\n" if octets.endswith(b"\r\n") or not octets else b"\r\n.\r\n"), codes)


_OK, _REFUSED, _EITHER = frozenset({250}), frozenset({554}), frozenset({250, 550, 552, 553, 554})


def _message(chance: Random, is_mx: bool) -> tuple[bytes, frozenset[int]]:
    head = f"From: <{ME}>\r\nTo: <{ME}>\r\nSubject: {chance.random()}\r\n".encode()
    lines = b"".join(
        chance.choice((b"hello", b".", b"..", b"", b"\xff\xfe", b"x" * 2000)) + b"\r\n" for _ in range(9)
    )
    good = head + b"\r\n" + lines
    draw = chance.randrange(16)
    if draw < 5:
        return good, _OK
    at = chance.randrange(len(head) + 2, len(good))
    if draw == 5:
        return good[:at] + b"\rx" + good[at:], _REFUSED
    if draw == 6:
        return good[:at] + b"\0" + good[at:], _REFUSED
    if draw == 7:
        return head + b"\r\nhello\nyou\r\n", _REFUSED if is_mx else _OK
    if draw == 8:
        return head + b"\r\n" + b"x" * 70 + b"\r\n" * (LARGEST // 2), frozenset({552})
    if draw == 9:
        return b"X-A: " + b"b" * HEADER_LIMIT + b"\r\n" + head + b"\r\n", frozenset({552})
    if draw == 10:
        return b"Received: x\r\n" * 101 + head + b"\r\n", frozenset({554})
    if draw == 11:
        return b"", _EITHER
    if draw == 12:
        return head, _EITHER
    octets = bytearray(good)
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(len(octets))
        octets[at : at + chance.randrange(4)] = chance.choice(
            (*_DAMAGE, b"\r\n", b":", b"From: ", b"\r\n\r\n")
        )
    return bytes(octets), _EITHER
