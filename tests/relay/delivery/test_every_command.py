"""Every command × every class of reply: no false success, and no false no for ever."""

from dataclasses import replace

import pytest

from relay.delivery.outcome import Fate, Outcome
from tests.fakes.far_mx import Deed, FarMx
from tests.relay.delivery.conftest import Station, parcel

REPLIES = [
    f"{code} 2.0.0 hm" if code.startswith("2") else f"{code} hm"
    for code in (
        *("000", "099", "100", "150", "199", "200", "211", "220", "221", "235", "250", "251", "299"),
        *("300", "334", "354", "399", "400", "421", "450", "499", "500", "521", "550", "599"),
        *("600", "699", "700", "800", "900", "999"),
    )
]
# A no for ever to these is meant for the mail; elsewhere it is one of the session.
FOR_THE_MAIL = ("MAIL", "RCPT", "DATA", ".")
COMMANDS = ["BANNER", "EHLO", "HELO", "STARTTLS", *FOR_THE_MAIL]


def prepare(mx: FarMx, command: str) -> None:
    """Have the command asked at all."""
    if command == "HELO":
        mx.answers("EHLO", "502 5.5.1 not here")
    if command == "STARTTLS":
        mx.offers("STARTTLS")


def believe(mx: FarMx, outcome: Outcome, command: str, reply: str) -> None:
    """What must hold, whatever was said."""
    if outcome.fate is Fate.DELIVERED:
        assert len(mx.received) == 1, (command, reply)
        assert command != "." or reply[0] == "2", (command, reply)
    if outcome.fate is Fate.BOUNCED:
        assert command in FOR_THE_MAIL, (command, reply)
        assert reply[0] == "5", (command, reply)
        assert mx.received == [], (command, reply)
    if outcome.ambiguous:
        assert command == ".", (command, reply)
    if command == "." and reply.startswith("250"):
        assert outcome.fate is Fate.DELIVERED, reply


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_reply_makes_a_false_success_or_a_false_no(
    station: Station, mx: FarMx, command: str
) -> None:
    for reply in REPLIES:
        mx.behaves()
        mx.received.clear()
        prepare(mx, command)
        mx.answers(command, reply)
        (outcome,) = await station.send()
        believe(mx, outcome, command, reply)


@pytest.mark.parametrize("command", ["RSET", "QUIT"])
async def test_what_is_said_after_a_delivery_does_not_unmake_it(
    station: Station, mx: FarMx, command: str
) -> None:
    for reply in REPLIES:
        mx.behaves()
        mx.received.clear()
        mx.answers(command, reply)
        first = await station.attempt(parcel())
        again = await station.attempt(parcel(), first.kept)
        if again.kept is not None:
            await again.kept.close()
        assert first.outcomes[0].fate is Fate.DELIVERED, reply
        assert again.outcomes[0].fate in (Fate.DELIVERED, Fate.DEFERRED), reply
        delivered = [first, again][: 1 + (again.outcomes[0].fate is Fate.DELIVERED)]
        assert len(mx.received) == len(delivered), reply


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("command", COMMANDS)
async def test_an_octet_at_a_time_a_long_line_or_nothing_at_all(
    station: Station, mx: FarMx, command: str
) -> None:
    station.is_in_a_hurry()
    station.set(timeouts=replace(station.settings.timeouts, handshake=0.2))
    for how in ("drip", "close", "200 KB"):
        mx.behaves()
        mx.received.clear()
        prepare(mx, command)
        if how == "drip":
            mx.drips(command, b"250-" + b"x" * 10_000)
        else:
            mx.answers(command, Deed.CLOSE if how == "close" else b"250 " + b"x" * 200_000 + b"\r\n")
        (outcome,) = await station.send()
        if command == "STARTTLS" and outcome.fate is Fate.DELIVERED:
            assert len(mx.received) == 1, how  # in plain text, on a new connection
        else:
            assert outcome.fate is Fate.DEFERRED, how
            assert outcome.ambiguous is (command == "."), how
