"""Every phase × everything a server may do there: the fate, the scope, and never a false success."""

import pytest

from relay.delivery.outcome import Fate, Phase, Scope
from tests.fakes.far_mx import Answer, Deed, FarMx
from tests.relay.delivery.conftest import Station, parcel

pytestmark = pytest.mark.usefixtures("way")

STALL = "stall"
SESSION = (Fate.DEFERRED, Scope.SESSION)
MESSAGE_LATER = (Fate.DEFERRED, Scope.MESSAGE)
MESSAGE_NEVER = (Fate.BOUNCED, Scope.MESSAGE)
LATER = (Fate.DEFERRED, Scope.RECIPIENT)
NEVER = (Fate.BOUNCED, Scope.RECIPIENT)
SITE = (Fate.DEFERRED, Scope.SITE)

# Answers that are no answers: whatever the phase, the session is broken, for now.
NO_REPLIES: dict[str, bytes] = {
    "garbage": b"hello there\r\n",
    "bare enhanced code": b"5.7.2\r\n",
    "code glued to text": b"250ok\r\n",
    "two digits": b"25 ok\r\n",
    "code of no class": b"650 ok\r\n",
    "1xx": b"199 wait\r\n",
    "lines of two codes": b"250-ok\r\n550 no\r\n",
    "LF only": b"250 ok\n",
    "LF inside": b"250-ok\n250 ok\r\n",
    "bare CR": b"250 ok\r250 ok\r\n",
    "8-bit code": b"\xb2\xb5\xb0 ok\r\n",
    "200 KB line": b"250 " + b"x" * 200_000 + b"\r\n",
    "endless lines": b"250-more\r\n" * 20_000,
    "empty line": b"\r\n",
    "NUL": b"\x00\x00\x00\r\n",
}

# phase -> what is answered -> expected
TABLE: dict[str, dict[str, tuple[Fate, Scope]]] = {
    "BANNER": {
        "250 hm": SESSION, "354 hm": SESSION, "421 4.3.2 later": SESSION, "450 no": SESSION,
        "554 5.7.1 not you": SESSION, "521 no mail here": SESSION,
    },
    "EHLO": {"220 hm": SESSION, "354 hm": SESSION, "421 later": SESSION, "451 no": SESSION},
    "MAIL": {
        "220 hm": SESSION, "354 hm": SESSION, "421 later": SESSION, "450 4.7.1 no": MESSAGE_LATER,
        "452 4.3.1 full": MESSAGE_LATER, "550 5.7.1 no": MESSAGE_NEVER,
        "552 5.3.4 too big": MESSAGE_NEVER, "503 5.5.1 EHLO first": SESSION,
        "530 5.7.0 STARTTLS first": SESSION, "502 what": SESSION, "555 what": MESSAGE_NEVER,
    },
    "RCPT": {
        "220 hm": SESSION, "354 hm": SESSION, "421 4.7.0 too many": SESSION,
        "450 4.2.1 greylisted": LATER, "451 no": LATER,
        "452 4.2.2 full": LATER, "550 5.1.1 nobody": NEVER,
        "550 5.7.2": NEVER, "550": NEVER,
        "552 5.2.2 full": LATER, "553 no": NEVER,
        "554 no": NEVER, "503 MAIL first": SESSION,
        "599 odd": NEVER, "499 odd": LATER,
        "450 5.1.1 liar": LATER,
    },
    "DATA": {
        "250 ok": SESSION, "220 hm": SESSION, "334 hm": SESSION, "421 later": SESSION,
        "451 no": MESSAGE_LATER, "554 5.7.1 no": MESSAGE_NEVER,
        "503 RCPT first": SESSION,
    },
    ".": {
        "421 4.3.2 later": SESSION, "450 no": MESSAGE_LATER,
        "451 4.7.1 later": MESSAGE_LATER, "452 full": MESSAGE_LATER,
        "550 5.7.1 spam": MESSAGE_NEVER, "552 5.3.4 too big": MESSAGE_NEVER,
        "554 no": MESSAGE_NEVER, "503 hm": SESSION,
    },
}  # fmt: skip
ODD_AFTER_THE_DOT = ("220 hm", "221 bye", "211 hm", "354 go on", "334 hm")


@pytest.mark.parametrize(
    ("phase", "answer", "expected"),
    [(phase, answer, expected) for phase, rows in TABLE.items() for answer, expected in rows.items()],
)
async def test_replies(
    station: Station, mx: FarMx, phase: str, answer: str, expected: tuple[Fate, Scope]
) -> None:
    mx.answers(phase, answer)
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == expected
    assert not outcome.ambiguous
    assert not outcome.reply.is_positive
    assert outcome.reply.is_permanent or outcome.fate is Fate.DEFERRED


@pytest.mark.parametrize("answer", ODD_AFTER_THE_DOT)
async def test_an_odd_yes_to_the_final_dot_is_no_delivery_and_perhaps_one(
    station: Station, mx: FarMx, answer: str
) -> None:
    mx.answers(".", answer)
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope, outcome.ambiguous) == (Fate.DEFERRED, Scope.SESSION, True)
    assert outcome.reply.is_temporary


@pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("what", NO_REPLIES)
async def test_what_is_no_reply_is_never_success_and_never_permanent(
    station: Station, mx: FarMx, phase: str, what: str
) -> None:
    mx.answers(phase, NO_REPLIES[what])
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == SESSION
    assert outcome.ambiguous is (phase == ".")
    assert (outcome.reply.code, outcome.reply.enhanced) in {(451, "4.5.0"), (451, "4.4.2")}


@pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("how", ["close", "stall", "half a line"])
async def test_closing_and_silence_are_temporary_and_ambiguous_only_after_the_dot(
    station: Station, mx: FarMx, phase: str, how: str
) -> None:
    station.is_in_a_hurry()
    deeds: dict[str, Answer] = {"close": Deed.CLOSE, "half a line": b"250"}
    if how == "stall":
        mx.stalls(phase)
    else:
        mx.answers(phase, deeds[how])
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == SESSION
    assert outcome.ambiguous is (phase == ".")
    assert outcome.reply.enhanced in ({"4.4.2", "4.5.0"} if how == "half a line" else {"4.4.2"})


@pytest.mark.parametrize("answer", ["250", "250 ", "250 a\nb\nc", "251 ok", "250 2.0.0 fran\u00e7ais"])
async def test_plain_and_odd_but_clear_yeses_deliver(station: Station, mx: FarMx, answer: str) -> None:
    mx.answers("RCPT", answer)
    mx.answers(".", answer)
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert len(mx.received) == 1


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one(station: Station, mx: FarMx) -> None:
    mx.answers("MAIL", b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n")
    mx.answers("RCPT", "550 5.1.1 nobody")
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope, outcome.phase) == (*SESSION, Phase.RECIPIENT)
    assert mx.received == []


async def test_a_surplus_yes_after_the_dot_delivers_but_ends_the_connection(
    station: Station, mx: FarMx
) -> None:
    mx.answers(".", b"250 ok\r\n250 ok\r\n")
    made = await station.attempt(parcel())
    assert made.outcomes[0].fate is Fate.DELIVERED
    assert made.kept is None


async def test_nobody_listening_is_the_trouble_of_the_site(station: Station, mx: FarMx) -> None:
    await mx.stop()
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == SITE
    assert (outcome.reply.code, outcome.reply.enhanced) == (451, "4.4.1")


async def test_a_server_that_sends_an_octet_at_a_time_is_held_to_the_deadline_of_the_phase(
    station: Station, mx: FarMx
) -> None:
    """Each octet is progress, but the reply as a whole has its time."""
    station.is_in_a_hurry()
    mx.drips("BANNER", b"220 " + b"x" * 10_000)
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == SESSION
    assert outcome.reply.enhanced == "4.4.2"
