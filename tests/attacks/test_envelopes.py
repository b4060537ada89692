"""Addresses that become commands or other people on their way: what was accepted is what leaves."""

import asyncio
import re

import pytest

from tests.attacks.submitting import log_in
from tests.fakes.api_client import http_client, make_key
from tests.fakes.daemon import APPLICATION, Daemon
from tests.fakes.far_mx import FarMx
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

ANN = f"ann@{FAR}"
EVE = "eve@evil.example"
# Each means ann to one reader, and eve, two recipients or a command to another.
PATHS = [
    f"<=?utf-8?q?x=0d=0aRCPT=20TO:=3Ceve@evil.example=3E?=@{FAR}>",
    f"<=?utf-8?b?ZXZlQGV2aWwuZXhhbXBsZT4=?=@{FAR}>",
    f"<=?utf-8?q?eve=40evil.example=3e?=@{FAR}>",
    f'<"ann> <{EVE}"@{FAR}>',
    f'<"{EVE}>"@{FAR}>',
    f'<"ann\\\r\\\n"@{FAR}>',
    f'<"ann"<{EVE}>@{FAR}>',
    f'<"foo@{EVE}> ORCPT=x"@{FAR}>',
    f'<"ann\\" {EVE}"@{FAR}>',
    f"<{ANN},{EVE}>",
    f"<{ANN} {EVE}>",
    f"<{ANN}>,<{EVE}>",
    f"<{ANN}> <{EVE}>",
    f"<{ANN};{EVE}>",
    f"<{ANN}\t{EVE}>",
    f"<{ANN}\\n{EVE}>",
    f"<({EVE}){ANN}>",
    f"<{ANN}({EVE})>",
    f"<ann@(x){FAR}>",
    f"<@{FAR},@evil.example:{EVE}>{ANN}",
    f"<ann@{FAR}@evil.example>",
    f"<ann@{FAR}\\@evil.example>",
    f"<ann@{FAR}#evil.example>",
    f"<ann@{FAR}%0d%0aRCPT TO:{EVE}>",
    f"<ann@{FAR}/../evil.example>",
    f"<ann@{FAR}:25>",
    f"<ann@[{FAR}]>",
    f"<ann@xn--{FAR}>",
    f"<ann@mx\u3002{FAR}\u00ad>",
    f"<ann@{FAR}\u2028>",
    f"<ann\u0000@{FAR}>",
    f"<ann\u007f@{FAR}>",
    "<ann@\uff46ar.example>",
    f"<ann@{'a' * 64}.example>",
    f"<{'a' * 65}@{FAR}>",
    f"<ann@{FAR}",
    f"{ANN}",
    "<>",
    "<ann>",
]
CLEAN = re.compile(r"RCPT TO:<[^<>\s@\"]+@[a-z0-9.-]+>(?: [A-Z]+=\S+)*")


@pytest.mark.parametrize("utf8", [False, True], ids=["ascii", "SMTPUTF8"])
async def test_what_is_accepted_leaves_as_that_and_nothing_else(house: House, utf8: bool) -> None:
    accepted = []
    async with await Client.open(house.submission.port) as client:
        assert (await log_in(client, APPLICATION, house.passwords[APPLICATION])).startswith("235 ")
    for path in PATHS:
        async with await Client.open(house.submission.port) as client:
            await log_in(client, APPLICATION, house.passwords[APPLICATION])
            await client.say(f"MAIL FROM:<{APPLICATION}>{' SMTPUTF8' if utf8 else ''}")
            reply = await client.say(f"RCPT TO:{path}".encode())
            assert reply[:3] in ("250", "500", "501", "553"), (path, reply)
            if reply.startswith("250"):
                accepted.append(path)
                assert (await client.data(f"From: {APPLICATION}\r\n\r\nx\r\n.\r\n".encode())).startswith(
                    "250 "
                )
    await house.run_until_idle()
    # Only what can be read in one way passes: a route is dropped, full width is an old spelling of letters.
    assert [path for path in accepted if EVE in path or "evil" in path] == []
    for said in house.mx.says("RCPT"):
        assert CLEAN.fullmatch(said), said
    assert all(EVE not in said for said in house.mx.commands)


async def test_reverse_paths_are_read_as_strictly(house: House) -> None:
    for path in PATHS:
        if path == "<>":
            continue
        async with await Client.open(house.inbound.port) as client:
            await client.say("EHLO mx.far.example")
            reply = await client.say(f"MAIL FROM:{path} SMTPUTF8".encode())
            if reply.startswith("250"):
                assert (await client.say(f"RCPT TO:<app@{OURS}>")).startswith("250 ")
                assert (await client.data(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250 ")
    for message in await house.received_by(f"app@{OURS}"):
        assert re.fullmatch(r"[^<>\s@\"]+@[a-z0-9.-]+", str(message.reverse_path)), message.reverse_path
        head = (await house.raw(message)).partition(b"\r\n\r\n")[0]
        assert head.count(b"Return-Path:") == head.count(b"\r\nReceived:") == 1


async def test_the_api_reads_addresses_as_strictly(daemon: Daemon, mx: FarMx) -> None:
    """What stands in JSON becomes an envelope and a header; the far side gets neither eve nor a command."""
    key = await make_key(daemon)
    await daemon.start()
    texts = [path.strip("<>") for path in PATHS] + [
        f"Ann <{ANN}>, {EVE}",
        f"{ANN}\r\nBcc: {EVE}",
        f"{ANN}\n",
        "",
    ]
    sent = 0
    async with http_client(daemon, key) as http:
        for text in texts:
            for field in ("to", "cc", "reply_to"):
                letter = {"to": ANN, "text": "x", field: text}
                answer = await http.post(f"/v1/inboxes/{APPLICATION}/messages", json=letter)
                assert answer.status_code in (201, 422), (text, answer.text)
                if answer.status_code == 201:
                    sent += all(each["address"].endswith(f"@{FAR}") for each in answer.json()["recipients"])
    async with asyncio.timeout(60):
        arrived = await mx.messages_arrive(sent)
    for received in arrived:
        assert all(re.fullmatch(r"[^<>\s@\"]+@[a-z0-9.-]+", address) for address in received.recipients)
        assert EVE not in received.recipients
        head = received.content.partition(b"\r\n\r\n")[0]
        assert b"\r\nBcc:" not in head
        assert re.search(rb"\r\n(?:To|Cc|Reply-To): [^\r\n]*eve@", head) is None
    assert all(CLEAN.fullmatch(said) for said in mx.says("RCPT"))
