"""mailauth comes to our verdicts on SPF, DKIM, DMARC and ARC, message by message."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbound.authenticate.judge import Judge
from inbound.authenticate.results import Authentication
from inbound.authenticate.signatures import SignatureCheck, Signatures, check_signatures
from relay.address import parse_reverse_path
from tests.fakes.clock import FakeClock
from tests.inbound.authenticate.signing import BODY, HEADER, Key, make_key, sealed, signed
from tests.inbound.authenticate.zone import ZoneResolver

_SCRIPT = Path(__file__).with_name("auth_judge.js")
_OURS, _FOREIGN = "192.0.2.1", "192.0.2.66"


def _has_mailauth() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(["node", "-e", "require.resolve('mailauth')"], capture_output=True, check=False)
    return asked.returncode == 0


pytestmark = pytest.mark.skipif(
    not _has_mailauth(), reason="mailauth (npm) is not installed, or NODE_PATH does not name it"
)


@dataclass(frozen=True)
class _Case:
    header: bytes
    sender: str = "ann@a.test"
    ip: str = _OURS
    helo: str = "mail.a.test"
    body: bytes = BODY


def _from(address: str) -> bytes:
    return HEADER.replace(b"ann@a.test", address.encode())


def _zone(a: Key, hop: Key) -> dict[str, dict[str, Any]]:
    return {
        "a.test": {
            "TXT": ["other", "v=spf1 ip4:192.0.2.1 mx include:spf.c.test ~all"],
            "MX": [[10, "mx.a.test"]],
        },
        "mx.a.test": {"A": ["192.0.2.2"]},
        "spf.c.test": {"TXT": ["v=spf1 exists:%{ir}.ok.c.test ip6:2001:db8::/32 -all"]},
        "3.2.0.192.ok.c.test": {"A": ["127.0.0.2"]},
        "hard.test": {"TXT": ["v=spf1 a:mx.a.test -all"]},
        "two.test": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
        "bad.test": {"TXT": ["v=spf1 ip4:1.2.3 -all"]},
        "loop.test": {"TXT": ["v=spf1 include:loop.test -all"]},
        "mail.a.test": {"TXT": ["v=spf1 a -all"], "A": [_OURS]},
        "_dmarc.a.test": {"TXT": ["v=DMARC1; p=reject; sp=quarantine; np=reject"]},
        "_dmarc.strict.test": {"TXT": ["v=DMARC1; p=quarantine; adkim=s; aspf=s; t=y"]},
        "_dmarc.co.test": {"TXT": ["v=DMARC1; p=reject; psd=y"]},
        a.name: {"TXT": [a.record.decode()]},
        hop.name: {"TXT": [hop.record.decode()]},
        **{
            key.name.replace("a.test", domain): {"TXT": [key.record.decode()]}
            for key in (a,)
            for domain in ("m.strict.test", "one.co.test", "two.co.test", "e.test")
        },
    }


def _cases(a: Key, hop: Key) -> Mapping[str, _Case]:
    def by(domain: str, author: str) -> bytes:
        return signed(Key(domain, a.private), header=_from(f"ann@{author}"))

    good = signed(a)
    return {
        "all good": _Case(good),
        "spf by an exchanger": _Case(HEADER, ip="192.0.2.2"),
        "spf by a macro": _Case(HEADER, ip="192.0.2.3"),
        "spf by an included network": _Case(HEADER, ip="2001:db8::1"),
        "spf softfail": _Case(HEADER, ip=_FOREIGN),
        "spf fail": _Case(HEADER, sender="ann@hard.test", ip=_FOREIGN),
        "spf of two records": _Case(HEADER, sender="ann@two.test"),
        "spf that is misspelled": _Case(HEADER, sender="ann@bad.test"),
        "spf without end": _Case(HEADER, sender="ann@loop.test"),
        "no spf": _Case(HEADER, sender="ann@none.test"),
        "dkim of a changed subject": _Case(good.replace(b"hello", b"hallo"), ip=_FOREIGN),
        "dkim of a changed body": _Case(good, ip=_FOREIGN, body=BODY + b"more\r\n"),
        "dkim without a key": _Case(by("gone.test", "a.test"), ip=_FOREIGN),
        "two signatures": _Case(by("e.test", "a.test")[: -len(HEADER)] + good, ip=_FOREIGN),
        "a stranger's signature": _Case(by("e.test", "a.test"), ip=_FOREIGN),
        "a subdomain that is there": _Case(_from("ann@mail.a.test"), sender="ann@none.test"),
        "a subdomain that is not": _Case(_from("ann@gone.a.test"), sender="ann@none.test"),
        "a subdomain's signature": _Case(by("a.test", "mail.a.test"), ip=_FOREIGN),
        "strict alignment in a test": _Case(by("m.strict.test", "strict.test"), ip=_FOREIGN),
        "under a public suffix": _Case(by("one.co.test", "two.co.test"), ip=_FOREIGN),
        "the registrant itself": _Case(by("one.co.test", "one.co.test"), ip=_FOREIGN),
        "two authors": _Case(_from("ann@a.test>, <eve@e.test")),
        "one seal": _Case(sealed(hop, good)),
        "three seals and a list": _Case(
            sealed(a, sealed(hop, sealed(a, good)).replace(b"hello", b"[l] hello"))
        ),
        "a broken seal": _Case(sealed(hop, good).replace(b"spf=pass", b"spf=none")),
        "a gap between seals": _Case(sealed(hop, sealed(a, good)).replace(b"ARC-Seal: i=1", b"X-Seal: i=1")),
        "a touched sealed body": _Case(sealed(hop, good), body=BODY + b"more\r\n"),
    }


async def _ours(zone: dict[str, dict[str, Any]], cases: Mapping[str, _Case]) -> dict[str, Authentication]:
    flat = {
        name: [{kind: record} for kind in entry for record in entry[kind]] for name, entry in zone.items()
    }
    judge = Judge(ZoneResolver(flat), _verify, clock=FakeClock())
    return {
        name: await judge.judge(
            case.ip, case.helo, parse_reverse_path(f"<{case.sender}>"), case.header, case.body, None
        )
        for name, case in cases.items()
    }


async def _verify(asked: SignatureCheck) -> Signatures:
    return check_signatures(asked)


def _theirs(
    directory: Path, zone: dict[str, dict[str, Any]], cases: Mapping[str, _Case]
) -> dict[str, dict[str, Any]]:
    for name, case in cases.items():
        (directory / name).write_bytes(case.header + b"\r\n" + case.body)
    envelopes = {
        name: {"ip": case.ip, "helo": case.helo, "sender": case.sender} for name, case in cases.items()
    }
    (directory / "zone.json").write_text(json.dumps(zone))
    (directory / "cases.json").write_text(json.dumps(envelopes))
    judged = subprocess.run(["node", _SCRIPT, directory], capture_output=True, check=True, text=True)
    verdicts: dict[str, dict[str, Any]] = json.loads(judged.stdout)
    return verdicts


def test_mailauth_agrees_with_every_verdict(tmp_path: Path) -> None:
    a, hop = make_key("a.test"), make_key("hop.test")
    zone, cases = _zone(a, hop), _cases(a, hop)
    theirs = _theirs(tmp_path, zone, cases)
    ours = {
        name: {
            "spf": auth.spf.verdict,
            "dkim": [one.verdict == "pass" for one in auth.dkim],
            "dmarc": auth.dmarc.verdict,
            "policy": auth.dmarc.policy,
            "arc": auth.arc.verdict,
        }
        for name, auth in asyncio.run(_ours(zone, cases)).items()
    }
    assert {name: (ours[name], theirs[name]) for name in cases if ours[name] != theirs[name]} == {}
