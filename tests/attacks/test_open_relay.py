"""Strangers who want their mail carried to the world: whatever they claim to be, none of it leaves."""

import pytest

from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

VICTIM = f"<ann@{FAR}>"
CLAIMS = {
    "nobody": "<>",
    "a stranger": f"<evil@{FAR}>",
    "one of us": f"<app@{OURS}>",
    "our postmaster": f"<postmaster@{OURS}>",
    "our host": "<root@mail.ours.test>",
    "this machine": "<root@localhost>",
    "its address": "<root@[127.0.0.1]>",
    "a route through us": f"<@{OURS}:app@{OURS}>",
    "us in other letters": f"<APP@{OURS.upper()}>",
}
# Every way in which the same far mailbox was ever written so that some server carried it.
SPELLINGS = [
    VICTIM,
    f"<@{OURS}:ann@{FAR}>",
    f"<@mail.{OURS}:ann@{FAR}>",
    f"<@localhost:ann@{FAR}>",
    f"<@[127.0.0.1]:ann@{FAR}>",
    f"<ann%{FAR}@{OURS}>",
    f"<ann%{FAR}@mail.{OURS}>",
    f"<ann%{FAR}@localhost>",
    f"<ann%{FAR}@[127.0.0.1]>",
    f"<ann%{FAR}>",
    f'<"ann@{FAR}"@{OURS}>',
    f'<"ann%{FAR}"@{OURS}>',
    f'<"ann@{FAR}">',
    f'<"ann"@{FAR}>',
    f"<{FAR}!ann>",
    f"<{FAR}!ann@{OURS}>",
    f"<{OURS}!{FAR}!ann>",
    f"<ann@{FAR}@{OURS}>",
    f"<ann@{OURS}@{FAR}>",
    f"<ann@{FAR}.>",
    f"<ann@{FAR.upper()}>",
    f"<ann@mx.{FAR}>",
    "<ann@[127.0.0.1]>",
    "<ann@[IPv6:::1]>",
    "<ann@[IPv6:::ffff:127.0.0.1]>",
    "<postmaster@[127.0.0.1]>",
    f"<postmaster@{FAR}>",
    f"<abuse@{FAR}>",
    f"<app+ann={FAR}@{FAR}>",
    f"ann@{FAR}",
    f" <ann@{FAR}>",
    f"< ann@{FAR}>",
    f"<ann@{FAR} >",
    f"<ann@{FAR}> <app@{OURS}>",
    f"<app@{OURS}>,<ann@{FAR}>",
    f"<app@{OURS},ann@{FAR}>",
    f"<app@{OURS};ann@{FAR}>",
    f"<ann@{FAR}(app@{OURS})>",
    f"<(app@{OURS})ann@{FAR}>",
    f"<ann@{FAR}\\@{OURS}>",
    f"<=?utf-8?q?ann=40far.example=3e?=@{OURS}>",
    f"<=?utf-8?q?x=0d=0aRCPT=20TO:=3Cann@far.example=3E?=@{OURS}>",
    f"<ann@{FAR}> ORCPT=rfc822;app@{OURS}",
    f"<ann@{FAR}> NOTIFY=NEVER",
]
# Verbs by which servers were told to believe somebody, or to send something by themselves.
VERBS = [
    f"XCLIENT ADDR=127.0.0.1 NAME=localhost LOGIN=app@{OURS}",
    "XFORWARD NAME=localhost ADDR=127.0.0.1 SOURCE=LOCAL",
    "PROXY TCP4 127.0.0.1 127.0.0.1 25 25",
    "ETRN far.example",
    "TURN",
    "ATRN far.example",
    f"SEND FROM:<app@{OURS}>",
    f"SOML FROM:<app@{OURS}>",
    f"SAML FROM:<app@{OURS}>",
    "ONEX",
    "VERB",
    "X-LINK2STATE FIRST CHUNK=",
    "XEXCH50 1 1",
]


def test_there_are_forty_spellings() -> None:
    assert len(set(SPELLINGS)) >= 40


async def attempt(port: int, sender: str, hello: str = "EHLO mail.ours.test") -> list[str]:
    """Every spelling, each in a transaction of its own; the answers, and nothing may be taken."""
    answers = []
    for spelling in SPELLINGS:
        async with await Client.open(port) as client:
            await client.say(hello)
            await client.say(f"MAIL FROM:{sender}")
            answers.append(await client.say(f"RCPT TO:{spelling}"))
            assert (await client.say("DATA"))[:3] in ("503", "530", "554"), spelling
            assert (await client.say("VRFY x")).startswith("252 "), spelling
    return answers


@pytest.mark.parametrize("claim", CLAIMS)
async def test_the_mx_carries_nothing_away(house: House, claim: str) -> None:
    for spelling, answer in zip(SPELLINGS, await attempt(house.inbound.port, CLAIMS[claim]), strict=True):
        assert answer[:3] in ("501", "503", "550", "553", "555"), (spelling, answer)
    await house.run_until_idle()
    assert house.mx.commands == []
    assert await house.count("messages") == 0


async def test_submission_hears_nobody_without_a_login(house: House) -> None:
    for sender in CLAIMS.values():
        assert {answer[:3] for answer in await attempt(house.submission.port, sender)} <= {"503", "530"}
    assert await house.count("messages") == 0


async def test_other_verbs_make_nobody_more_than_he_is(house: House) -> None:
    for port in (house.inbound.port, house.submission.port):
        for verb in VERBS:
            async with await Client.open(port) as client:
                await client.say("EHLO localhost")
                assert (await client.say(verb))[:3] in ("500", "502"), verb
                if verb.startswith("PROXY"):
                    continue  # it ends the session
                await client.say(f"MAIL FROM:<app@{OURS}>")
                assert (await client.say(f"RCPT TO:{VICTIM}"))[:3] in ("503", "530", "550"), verb
    assert await house.count("messages") == 0


async def test_who_hides_behind_a_good_recipient_takes_no_other_along(house: House) -> None:
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        await client.say(f"MAIL FROM:<evil@{FAR}>")
        assert (await client.say(f"RCPT TO:<app@{OURS}>")).startswith("250 ")
        assert (await client.say(f"RCPT TO:{VICTIM}")).startswith("550 5.7.1")
        content = f"To: ann@{FAR}\r\nBcc: bob@{FAR}\r\nX-Posthouse-To: eve@{FAR}\r\n\r\nhello\r\n.\r\n"
        assert (await client.data(content.encode())).startswith("250 ")
    await house.run_until_idle()
    assert house.mx.commands == []


async def test_a_trusted_network_may_write_only_as_its_mailboxes(make_house: MakeHouse) -> None:
    house = await make_house({"submission.trusted_networks": ["127.0.0.0/8"]})
    for claim in ("a stranger", "our postmaster", "our host", "this machine", "its address"):
        async with await Client.open(house.submission.port) as client:
            await client.say("EHLO printer.ours.test")
            assert (await client.say(f"MAIL FROM:{CLAIMS[claim]}"))[:3] in ("501", "550", "553"), claim
    assert await house.count("messages") == 0
