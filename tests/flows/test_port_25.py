"""The MX against those who try it: smuggled mail, reports for crowds, unknown recipients, loops."""

import itertools

import pytest

from inbound.listener import REPORT_RECIPIENTS
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

ME = f"app@{OURS}"
EVIL = (
    f"MAIL FROM:<evil@{FAR}>\r\nRCPT TO:<{ME}>\r\nDATA\r\n".encode()
    + b"Subject: smuggled\r\n\r\nevil\r\n.\r\n"
)
LINE_ENDS = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\r\x00\n", b"\x00\r\n", b"\r\n\x00", b"\x85"]
SMUGGLED = [
    before + b"." + after
    for before, after in itertools.product(LINE_ENDS, repeat=2)
    if b"\r\n.\r\n" not in before + b"." + after
]


def test_the_sequences_are_sixty_at_least() -> None:
    assert len(set(SMUGGLED)) >= 60


async def test_nothing_but_the_end_of_data_lets_a_second_message_in(house: House) -> None:
    taken = 0
    for end in SMUGGLED:
        async with await Client.open(house.inbound.port) as client:
            await client.say("EHLO mx.far.example")
            await client.say(f"MAIL FROM:<ann@{FAR}>")
            await client.say(f"RCPT TO:<{ME}>")
            reply = await client.data(b"Subject: one\r\n\r\none" + end + EVIL)
            assert reply[:9] in ("250 2.0.0", "554 5.6.0"), end
            # Had the rest been read as commands, this would not be the next answer.
            assert (await client.say("VRFY x")).startswith("252 "), end
        taken += reply.startswith("250")
    received = await house.received_by(ME)
    assert len(received) == min(taken, 100)
    assert {str(message.reverse_path) for message in received} <= {f"ann@{FAR}"}
    for message in received:
        raw = await house.raw(message)
        assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")
    assert taken < len(SMUGGLED)
    assert house.leftovers() == []


async def test_a_report_for_many_is_taken_for_some_and_the_rest_may_come_again(house: House) -> None:
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        await client.say("MAIL FROM:<>")
        replies = [await client.say(f"RCPT TO:<app+{n}@{OURS}>") for n in range(REPORT_RECIPIENTS + 2)]
        assert [reply[:9] for reply in replies] == (["250 2.1.5"] * REPORT_RECIPIENTS + ["452 4.5.3"] * 2)
        assert (await client.data(b"Subject: x\r\n\r\n.\r\n")).startswith("250")
        # Others have no such limit.
        await client.say(f"MAIL FROM:<ann@{FAR}>")
        replies = [await client.say(f"RCPT TO:<app+{n}@{OURS}>") for n in range(REPORT_RECIPIENTS + 2)]
    assert {reply[:9] for reply in replies} == {"250 2.1.5"}


async def test_mail_for_nobody_makes_no_report_to_anybody(house: House) -> None:
    """Backscatter: who is not here is refused in the session, so nothing is left to report."""
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        await client.say(f"MAIL FROM:<victim@{FAR}>")
        for number in range(15):
            assert (await client.say(f"RCPT TO:<nobody{number}@{OURS}>")).startswith("550 5.1.1")
        assert (await client.say("DATA")).startswith("554 5.5.1")
    await house.run_until_idle()
    assert house.mx.received == []
    assert await house.count("messages") == 0


@pytest.mark.parametrize("command", ["VRFY", "EXPN"])
async def test_nobody_learns_names_by_asking(command: str, house: House) -> None:
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        known, unknown = [await client.say(f"{command} {name}@{OURS}") for name in ("app", "nobody")]
    assert known == unknown
