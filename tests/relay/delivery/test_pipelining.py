"""Commands travel together where PIPELINING is offered (RFC 2920), and every reply finds its recipient."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.commands import Command, in_groups
from relay.delivery.outcome import Fate, Outcome, Phase, Scope
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.blunt_mx import HANG_UP, Answers, BluntMx
from tests.relay.delivery.conftest import HEADER, Station, parcel

TRIO = ("ann@example.net", "ben@example.net", "cid@example.net")
GROUP = (
    b"MAIL FROM:<me@example.com>\r\n"
    b"RCPT TO:<ann@example.net>\r\nRCPT TO:<ben@example.net>\r\nRCPT TO:<cid@example.net>\r\n"
    b"DATA\r\n"
)
CONTENT = HEADER + b"\r\nHello\r\n.\r\n"
QUIT = b"QUIT\r\n"
BYE = b"221 bye\r\n"

Play = Callable[..., Awaitable[BluntMx]]


@pytest.fixture
async def play(station: Station, mx: FarMx) -> AsyncIterator[Play]:
    """Put a BluntMx with these conversations in the place of `mx`."""
    servers: list[BluntMx] = []

    async def start(*conversations: Answers, offers: tuple[bytes, ...] = (b"PIPELINING",)) -> BluntMx:
        await mx.stop()
        server = BluntMx(*conversations, offers=offers)
        await server.listen(station.settings.port)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


def lines(*replies: str) -> bytes:
    return "".join(f"{reply}\r\n" for reply in replies).encode()


def fates(outcomes: list[Outcome]) -> str:
    """D delivered, B bounced, and what is to be tried again: r recipient, m message, s session."""
    letters = {Scope.RECIPIENT: "r", Scope.MESSAGE: "m", Scope.SESSION: "s", Scope.SITE: "S"}
    return "".join(letters[one.scope] if one.fate is Fate.DEFERRED else one.fate.name[0] for one in outcomes)


# What travels together


async def test_a_message_costs_two_round_trips(station: Station, play: Play) -> None:
    server = await play([lines("250 a", "250 b", "250 c", "250 d", "354 go"), lines("250 ok"), BYE])
    outcomes = await station.send(parcel(*TRIO))
    assert fates(outcomes) == "DDD"
    assert server.pieces == [[b"EHLO relay.example.com\r\n", GROUP, CONTENT, QUIT]]


async def test_on_a_kept_connection_rset_travels_with_the_rest(station: Station, play: Play) -> None:
    together = lines("250 m", "250 r", "354 go")
    server = await play([together, lines("250 ok"), lines("250 reset") + together, lines("250 ok"), BYE])
    first = await station.attempt(parcel())
    second = await station.attempt(parcel(), first.kept)
    assert fates([*first.outcomes, *second.outcomes]) == "DD"
    assert second.kept is not None
    await second.kept.close()
    group = b"MAIL FROM:<me@example.com>\r\nRCPT TO:<ann@example.net>\r\nDATA\r\n"
    assert server.pieces[0][1:] == [group, CONTENT, b"RSET\r\n" + group, CONTENT, QUIT]


async def test_without_the_offer_every_command_waits_for_its_reply(station: Station, play: Play) -> None:
    yes, go = lines("250 ok"), lines("354 go")
    once = [yes, yes, yes, yes, go, yes]
    server = await play([*once, yes, *once, BYE], offers=(b"8BITMIME",))
    first = await station.attempt(parcel(*TRIO))
    second = await station.attempt(parcel(*TRIO), first.kept)
    assert fates([*first.outcomes, *second.outcomes]) == "DDDDDD"
    assert second.kept is not None
    await second.kept.close()
    transaction = [*GROUP.splitlines(keepends=True), CONTENT]
    assert server.pieces[0][1:] == [*transaction, b"RSET\r\n", *transaction, QUIT]


async def test_the_dialogue_is_what_was_said_and_heard_in_that_order(station: Station, play: Play) -> None:
    await play([lines("250 m", "250 a", "550 5.1.1 no b", "250 c", "354 go"), lines("250 ok"), BYE])
    ann, ben, _ = await station.send(parcel(*TRIO))
    start = ann.dialogue.index("> MAIL FROM:<me@example.com>")
    assert ann.dialogue[start + 1 :] == (
        "> RCPT TO:<ann@example.net>", "> DATA",
        "< 250 m", "< 250 a", "< 354 go", "< 250 ok",
    )  # fmt: skip
    assert "< 550 5.1.1 no b" in ben.dialogue
    assert "< 550 5.1.1 no b" not in ann.dialogue


async def test_hundreds_of_recipients_go_in_portions(station: Station, mx: FarMx) -> None:
    """And a server that stops reading while it has much to say is no deadlock."""
    mx.answers("RCPT", "250 2.1.5 " + "\n".join(["x" * 1000] * 20))
    outcomes = await station.send(parcel(*(f"user{n}@example.net" for n in range(300))))
    assert fates(outcomes) == "D" * 300
    assert len(mx.received[0].recipients) == 300


async def test_a_refused_mail_ends_a_transaction_of_several_portions(station: Station, mx: FarMx) -> None:
    mx.answers("MAIL", "550 5.7.1 not you")
    outcomes = await station.send(parcel(*(f"user{n}@example.net" for n in range(300))))
    assert fates(outcomes) == "B" * 300
    assert len(mx.says("RCPT")) < 100
    assert mx.says("DATA") == []


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_a_group_is_bounded_and_nothing_is_lost_or_reordered(sizes: list[int]) -> None:
    commands = [Command(Phase.RECIPIENT, b"x" * size, 1.0, number) for number, size in enumerate(sizes)]
    groups = list(in_groups(commands))
    assert list(chain.from_iterable(groups)) == commands
    for group in groups:
        assert len(group) <= 50
        assert len(group) == 1 or sum(len(command.line) + 2 for command in group) <= 4096


# What is answered: to the group, and then to the content or the single dot

ANSWERS: dict[str, tuple[list[bytes | None], str, bytes | None, bool]] = {
    # name: (answers, fates, the piece after the group, whether the connection is kept)
    "some refused": (
        [lines("250 m", "250 a", "550 5.1.1 no", "450 4.2.1 later", "354 go"), lines("250 ok"), BYE],
        "DBr", CONTENT, True,
    ),
    "one at a time refused with the content": (
        [lines("250 m", "250 a", "550 5.1.1 no", "250 c", "354 go"), lines("554 5.6.0 no"), BYE],
        "BBB", CONTENT, True,
    ),
    "all refused, and DATA too": (
        [lines("250 m", "550 no", "550 no", "450 no", "554 no valid recipients"), BYE],
        "BBr", QUIT, True,
    ),
    "all refused, DATA with 503": (
        [lines("250 m", "550 no", "550 no", "550 no", "503 RCPT first"), BYE], "BBB", QUIT, True,
    ),
    "all refused, 354 all the same, the dot is refused": (
        [lines("250 m", "550 no", "550 no", "450 no", "354 go"), lines("554 no valid recipients"), BYE],
        "BBr", b".\r\n", True,
    ),
    "all refused, 354 all the same, the dot is taken": (
        [lines("250 m", "550 no", "450 no", "450 no", "354 go"), lines("250 2.0.0 ok"), BYE],
        "Brr", b".\r\n", True,
    ),
    "all refused, 354 all the same, 421 to the dot": (
        [lines("250 m", "550 no", "550 no", "450 no", "354 go"), lines("421 busy")], "BBr", b".\r\n", False,
    ),
    "all refused, 354 all the same, hangs up on the dot": (
        [lines("250 m", "550 no", "550 no", "450 no", "354 go"), None], "BBr", b".\r\n", False,
    ),
    "all refused, 354 all the same, rubbish to the dot": (
        [lines("250 m", "550 no", "550 no", "450 no", "354 go"), b"?\r\n"], "BBr", b".\r\n", False,
    ),
    "all refused, 421 to DATA": (
        [lines("250 m", "550 no", "550 no", "450 no", "421 busy")], "BBr", None, False,
    ),
    "MAIL refused for good": (
        [lines("550 5.7.1 no", "503 no", "503 no", "503 no", "503 no"), BYE], "BBB", QUIT, True,
    ),
    "MAIL refused for now": (
        [lines("451 no", "503 no", "550 no", "250 ok", "503 no"), BYE], "mmm", QUIT, True,
    ),
    "MAIL refused, and still 354": (
        [lines("550 5.7.1 no", "503 no", "503 no", "503 no", "354 go"), lines("554 no"), BYE],
        "BBB", b".\r\n", True,
    ),
    "MAIL refused, a recipient taken, and still 354": (
        [lines("550 5.7.1 no", "250 ok", "503 no", "503 no", "354 go"), lines("250 ok")], "BBB", None, False,
    ),
    "MAIL refused, then 421": ([lines("550 5.7.1 no", "421 busy")], "BBB", None, False),
    "MAIL refused, then hangs up": ([lines("550 5.7.1 no") + HANG_UP], "BBB", None, False),
    "421 to MAIL": ([lines("421 busy")], "sss", None, False),
    "421 amid the recipients": (
        [lines("250 m", "550 no", "421 busy", "550 no", "354 go")], "Bss", None, False,
    ),
    "421 to DATA": ([lines("250 m", "550 no", "250 b", "250 c", "421 busy")], "Bss", None, False),
    "503 amid the recipients": (
        [lines("250 m", "550 no", "503 what", "550 no", "503 what")], "Bss", None, False,
    ),
    "DATA refused for good": (
        [lines("250 m", "250 a", "450 no", "250 c", "554 5.7.1 no"), BYE], "BrB", QUIT, True,
    ),
    "DATA refused for now": (
        [lines("250 m", "250 a", "550 no", "250 c", "451 no"), BYE], "mBm", QUIT, True,
    ),
    "DATA with 503 though some were taken": (
        [lines("250 m", "250 a", "550 no", "250 c", "503 what")], "sBs", None, False,
    ),
    "hangs up at once": ([None], "sss", None, False),
    "hangs up in mid-group": ([lines("250 m", "550 no", "250 b") + HANG_UP], "Bss", None, False),
    "hangs up before DATA": ([lines("250 m", "250 a", "450 no", "550 no") + HANG_UP], "srB", None, False),
    "hangs up after 354": (
        [lines("250 m", "250 a", "550 no", "250 c", "354 go") + HANG_UP], "sBs", None, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS)
async def test_answers_to_a_group(station: Station, play: Play, what: str) -> None:
    answers, expected, then, is_kept = ANSWERS[what]
    server = await play(answers)
    made = await station.attempt(parcel(*TRIO))
    if made.kept is not None:
        await made.kept.close()
    assert fates(made.outcomes) == expected
    assert (made.kept is not None) is is_kept
    assert not any(one.ambiguous for one in made.outcomes)
    assert server.pieces[0][1] == GROUP
    if then is not None:
        assert server.pieces[0][2] == then
    else:
        assert CONTENT not in server.pieces[0]
    assert len(server.pieces) == 1


async def test_silence_after_the_final_dot_of_a_group_is_ambiguous(station: Station, play: Play) -> None:
    station.is_in_a_hurry()
    await play([lines("250 m", "250 a", "550 no", "250 c", "354 go"), b"25"])
    outcomes = await station.send(parcel(*TRIO))
    assert fates(outcomes) == "sBs"
    assert [one.ambiguous for one in outcomes] == [True, False, True]
    assert {outcomes[0].phase, outcomes[2].phase} == {Phase.FINAL_DOT}


async def test_too_many_recipients_get_a_transaction_of_their_own(station: Station, play: Play) -> None:
    rest = lines("250 m", "250 c", "354 go")
    server = await play(
        [
            lines("250 m", "250 a", "250 b", "452 4.5.3 too many", "354 go"), lines("250 ok"),
            lines("250 reset"), rest, lines("250 ok"), BYE,
        ]
    )  # fmt: skip
    assert fates(await station.send(parcel(*TRIO))) == "DDD"
    assert server.pieces[0][4] == b"MAIL FROM:<me@example.com>\r\nRCPT TO:<cid@example.net>\r\nDATA\r\n"


# A server that offers PIPELINING and loses step: nothing is believed, and it is asked again slowly

OUT_OF_STEP = {
    "a reply too many": lines("250 m", "250 m", "550 no", "250 b", "550 no", "354 go"),
    "a reply too many behind DATA": lines("250 m", "550 no", "250 b", "550 no", "354 go", "250 ok"),
    "a refusal too many": lines("250 m", "550 no", "550 no", "250 b", "250 c", "354 go"),
    "a reply too few": lines("250 m", "550 no", "250 b", "354 go"),
    "only the first is answered": lines("250 m"),
    "only the first two are answered": lines("250 m", "550 no"),
    "DATA is not answered": lines("250 m", "550 no", "250 b", "550 no"),
    "half a reply": lines("250 m", "550 no", "250 b") + b"35",
    "rubbish amid the group": lines("250 m", "550 no", "hello", "250 c", "354 go"),
    "250 to DATA": lines("250 m", "550 no", "250 b", "550 no", "250 ok"),
    "354 to a recipient": lines("250 m", "354 go", "250 b", "550 no", "354 go"),
    "220 to a recipient": lines("250 m", "550 no", "220 hm", "550 no", "354 go"),
    "LF only": b"250 m\r\n550 no\n250 b\n",
}


@pytest.mark.parametrize("what", OUT_OF_STEP)
async def test_out_of_step_nothing_is_believed(station: Station, play: Play, what: str) -> None:
    station.is_in_a_hurry()
    server = await play([OUT_OF_STEP[what]])
    outcomes = await station.send(parcel(*TRIO))
    assert fates(outcomes) == "sss"
    assert not any(one.ambiguous for one in outcomes)
    assert not any(CONTENT in piece for piece in chain.from_iterable(server.pieces))
    assert len(server.pieces) == 2


@pytest.mark.parametrize("what", OUT_OF_STEP)
async def test_a_server_that_loses_step_gets_its_mail_a_command_at_a_time(
    station: Station, play: Play, what: str
) -> None:
    station.is_in_a_hurry(1.0)
    slowly = [lines(answer) for answer in ("250 m", "250 a", "550 5.1.1 no", "250 c", "354 go", "250 ok")]
    server = await play([OUT_OF_STEP[what]], [*slowly, BYE])
    outcomes = await station.send(parcel(*TRIO))
    assert fates(outcomes) == "DBD"
    assert server.pieces[1][1:] == [*GROUP.splitlines(keepends=True), CONTENT, QUIT]


async def test_a_server_that_lost_step_once_is_asked_slowly_from_then_on(station: Station, mx: FarMx) -> None:
    mx.answers("DATA", "250 hm", then="354 go ahead")
    deliverer = station.deliverer()
    for _ in range(2):
        made = await deliverer.attempt(parcel())
        assert fates(made.outcomes) == "D"
        assert made.kept is not None
        assert not made.kept.pipelines
        await made.kept.close()
    assert mx.sessions == 3


async def test_a_server_that_says_nothing_at_all_is_not_asked_twice(station: Station, play: Play) -> None:
    station.is_in_a_hurry()
    server = await play([b""])
    outcomes = await station.send(parcel(*TRIO))
    assert fates(outcomes) == "sss"
    assert len(server.pieces) == 1


# A kept connection: its RSET says whether it is still of use

STALE = {
    "hangs up": None,
    "421": lines("421 4.4.2 idle too long"),
    "refuses": lines("502 what", "503 no", "503 no", "503 no"),
    "odd": lines("220 hm", "250 m", "250 a", "354 go"),
    "rubbish": b"?\r\n",
    "silence": b"",
}


@pytest.mark.parametrize("how", STALE)
async def test_a_kept_connection_that_has_died_is_nobodys_failure(
    station: Station, play: Play, how: str
) -> None:
    station.is_in_a_hurry(1.0)
    together = lines("250 m", "250 r", "354 go")
    server = await play(
        [together, lines("250 ok"), STALE[how]], [lines("250 m", "550 5.1.1 no", "503 no"), BYE]
    )
    first = await station.attempt(parcel())
    second = await station.attempt(parcel(), first.kept)
    if second.kept is not None:
        await second.kept.close()
    assert fates([*first.outcomes, *second.outcomes]) == "DB"
    assert len(server.pieces) == 2
    assert server.pieces[0].count(CONTENT) == 1
    assert any("of no more use" in line for line in second.trail)


async def test_what_is_answered_behind_rset_counts(station: Station, play: Play) -> None:
    together = lines("250 m", "250 r", "354 go")
    await play([together, lines("250 ok"), lines("250 reset", "550 5.7.1 no", "503 no", "503 no"), BYE])
    first = await station.attempt(parcel())
    second = await station.attempt(parcel(), first.kept)
    assert second.kept is not None
    await second.kept.close()
    assert fates([*first.outcomes, *second.outcomes]) == "DB"
