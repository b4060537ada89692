"""Others than dkimpy accept what we sign: OpenDKIM and mailauth, RSA and Ed25519, on 200 made-up messages."""

import asyncio
import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.message.canonical import RelaxedBodyHash
from relay.message.headers import Header
from relay.signing.keys import KeyRing
from relay.signing.signer import Signer

_MESSAGES = 200
_SCRIPT = Path(__file__).with_name("dkim_judge.js")
_BOTH_PASS = {"rsa-sha256": "pass", "ed25519-sha256": "pass"}


def _has_mailauth() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(["node", "-e", "require.resolve('mailauth')"], capture_output=True, check=False)
    return asked.returncode == 0


needs_opendkim = pytest.mark.skipif(
    shutil.which("opendkim", path="/usr/sbin:/usr/bin:/sbin") is None, reason="opendkim is not installed"
)
needs_mailauth = pytest.mark.skipif(
    not _has_mailauth(), reason="mailauth (npm) is not installed, or NODE_PATH does not name it"
)


class _Maker:
    """Messages of every kind that once broke a signer; the seed makes them the same each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def header(self) -> bytes:
        pick = self._random.choice
        fields = [
            pick(
                [
                    b"From: Ann <ann@example.com>",
                    b"FROM:ann@example.com",
                    b'From:\r\n "Ann"\t\r\n\t<ann@example.com>',
                ]
            ),
            pick(
                [b"To: bob@b.test", b"to:  bob@b.test ,\r\n   carl@c.test  ", b"To: undisclosed-recipients:;"]
            ),
            pick(
                [
                    b"Subject: plain",
                    b"Subject:",
                    b"Subject: \xc3\xa4 \xf0\x9f\x9a\x80 raw",
                    b"Subject: a\t \t b\r\n  c  ",
                ]
            ),
            pick([b"Date: Mon, 02 Mar 2026 09:00:00 +0000", b"Date:\tMon,  2 Mar 2026 09:00:00 +0000 (GMT)"]),
            pick([b"Message-ID: <1@example.com>", b"Message-Id:\r\n <" + b"x" * 300 + b"@example.com>"]),
        ]
        extras = [
            b"Subject: twice",
            b"Received: from a.test by b.test;\r\n\tMon, 2 Mar 2026 09:00:00 +0000",
            b"References: " + b"\r\n ".join(b"<%d@a.test>" % number for number in range(30)),
            b"X-Any: " + b"y" * 900,
            b"X-8bit: \xe4\xf6\xfc",
            b"Cc: Y <y@y.test>",
            b"Cc: Z <z@z.test>",
            b"MIME-Version: 1.0 (a comment)",
            b'Content-Type: text/plain;\r\n\tcharset="utf-8" ;\r\n\tformat=flowed',
            b"List-Unsubscribe: <mailto:u@example.com>,\r\n <https://example.com/" + b"u" * 200 + b">",
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            b"Reply-To: \xc3\xa9 <r@example.com>",
            b"Sender: s@example.com",
        ]
        fields += self._random.sample(extras, self._random.randrange(len(extras)))
        self._random.shuffle(fields)
        return b"".join(field + b"\r\n" for field in fields)

    def body(self) -> bytes:
        lines = [
            b"plain text of some length",
            b"",
            b"",
            b" ",
            b"\t \t",
            b".",
            b"..dots",
            b".hidden",
            b"blank  runs \t of\t\tall kinds  ",
            b"trailing blanks   \t",
            b"  leading blanks",
            "Ünïcödé 🚀 текст".encode(),
            b"\xe4\xf6\xfc latin",
            b"l" * 990,
            b"w " * 490,
            b"From the start",
            b"--boundary--",
            b"=20=\x01\x7f",
        ]
        body = b"".join(
            line + b"\r\n" for line in self._random.choices(lines, k=self._random.choice([0, 1, 3, 12, 40]))
        )
        return body + b"\r\n" * self._random.choice([0, 0, 1, 5, 300])


async def _write_messages(directory: Path) -> None:
    ring, now = KeyRing(directory / "dkim_keys"), SystemClock().now()
    records = {key.dns_name: key.dns_record for key in ring.generate("example.com", now)}
    (directory / "keys.json").write_text(json.dumps(records))
    (directory / "keys.txt").write_text("".join(f"{name} {record}\n" for name, record in records.items()))
    maker, signer = _Maker(2026), Signer(ring)
    for number in range(_MESSAGES):
        header, body, body_hash = maker.header(), maker.body(), RelaxedBodyHash()
        body_hash.update(body)
        signatures = await signer.sign("example.com", Header.parse(header), body_hash.digest(), now)
        message = signatures + header + b"\r\n" + body
        (directory / f"good{number:03}.eml").write_bytes(message)
        if number % 20 == 0:  # so that a judge who says yes to everything is found out
            (directory / f"changed{number:03}.eml").write_bytes(
                signatures + b"Subject: new\r\n" + header + b"\r\n" + body
            )
            (directory / f"longer{number:03}.eml").write_bytes(message + b"more\r\n")
    signer.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("judged")
    asyncio.run(_write_messages(made))
    return made


def _check(verdicts: dict[str, dict[str, str]]) -> None:
    good = {name: verdict for name, verdict in verdicts.items() if name.startswith("good")}
    spoiled = [verdict for name, verdict in verdicts.items() if not name.startswith("good")]
    assert {name: verdict for name, verdict in good.items() if verdict != _BOTH_PASS} == {}
    assert len(good) == _MESSAGES
    assert len(spoiled) == _MESSAGES // 10
    assert not any("pass" in verdict.values() for verdict in spoiled)


def opendkim_verdicts(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    (directory / "opendkim.conf").write_text(f"Mode v\nTestPublicKeys {directory}/keys.txt\n")
    for message in sorted(directory.glob("*.eml")):
        judged = subprocess.run(
            ["/usr/sbin/opendkim", "-x", directory / "opendkim.conf", "-vv", "-t", message],
            capture_output=True,
            check=True,
            text=True,
            errors="replace",
        )
        found = re.findall(r"dkim=(\w+).*? header\.a=(\S+)", judged.stdout)
        yield message.name, {algorithm: verdict for verdict, algorithm in found}


@needs_opendkim
def test_opendkim_accepts_all_of_them(directory: Path) -> None:
    _check(dict(opendkim_verdicts(directory)))


@needs_mailauth
def test_mailauth_accepts_all_of_them(directory: Path) -> None:
    judged = subprocess.run(["node", _SCRIPT, directory], capture_output=True, check=True, text=True)
    _check(json.loads(judged.stdout))
