"""All verdicts on one message, whatever the DNS, the child or the message do."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from inbound.authenticate.judge import Judge, Verify
from inbound.authenticate.results import Authentication
from inbound.authenticate.signatures import SignatureCheck, Signatures, check_signatures
from relay.address import NULL_PATH, parse_address
from relay.resolver import Resolver
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.inbound.authenticate.signing import BODY, HEADER, Key, make_key, sealed, signed

ANN = parse_address("ann@a.test")


@pytest.fixture(scope="module")
def key() -> Key:
    return make_key("a.test")


@pytest.fixture
def zone(dns: FakeDns, key: Key) -> FakeDns:
    dns.txt("a.test", "v=spf1 ip4:192.0.2.1 -all")
    dns.txt(key.name, key.record.decode())
    dns.txt("_dmarc.a.test", "v=DMARC1; p=reject")
    return dns


async def verify(asked: SignatureCheck) -> Signatures:
    """As the child does it: the question and the answer cross a pipe."""
    crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=SignatureCheck)
    return check_signatures(crossed)


def judge(dns: FakeDns, verify: Verify = verify, timeout: timedelta = timedelta(seconds=20)) -> Judge:
    return Judge(Resolver([dns.nameserver], timedelta(seconds=10)), verify, timeout, clock=FakeClock())


async def judged(of: Judge, header: bytes, client: str | None = "192.0.2.1") -> Authentication:
    auth = await of.judge(client, "mail.a.test", ANN, header, BODY, None)
    assert msgspec.json.decode(msgspec.json.encode(auth), type=Authentication) == auth
    return auth


def verdicts(auth: Authentication) -> tuple[str, list[str], str, str]:
    return auth.spf.verdict, [one.verdict for one in auth.dkim], auth.dmarc.verdict, auth.arc.verdict


async def test_authentic_mail_passes_everywhere(zone: FakeDns, key: Key) -> None:
    auth = await judged(judge(zone), sealed(key, signed(key)))
    assert verdicts(auth) == ("pass", ["pass"], "pass", "pass")
    assert auth.is_authentic
    assert (auth.from_domain, auth.dmarc.aligned, auth.dmarc.policy) == ("a.test", "dkim", "reject")


async def test_forged_mail_fails_everywhere(zone: FakeDns, key: Key) -> None:
    header = sealed(key, signed(key)).replace(b"hello", b"hallo")
    auth = await judged(judge(zone), header, client="192.0.2.66")
    assert verdicts(auth) == ("fail", ["fail"], "fail", "fail")
    assert not auth.is_authentic


async def test_plain_mail_is_not_sent_to_the_child(zone: FakeDns) -> None:
    async def unasked(asked: SignatureCheck) -> Signatures:
        raise AssertionError("nothing is signed")

    auth = await judged(judge(zone, unasked), HEADER)
    assert verdicts(auth) == ("pass", [], "pass", "none")
    assert auth.dmarc.aligned == "spf"


async def test_a_body_in_a_file_is_read_from_it(zone: FakeDns, key: Key, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(BODY)
    auth = await judge(zone).judge("192.0.2.1", "mail.a.test", ANN, signed(key), None, str(file))
    assert [one.verdict for one in auth.dkim] == ["pass"]


async def test_a_null_reverse_path_is_judged_by_the_name_in_helo(zone: FakeDns) -> None:
    zone.txt("mail.a.test", "v=spf1 ip4:192.0.2.1 -all")
    auth = await judge(zone).judge("192.0.2.1", "mail.a.test", NULL_PATH, HEADER, BODY, None)
    assert (auth.spf.verdict, auth.spf.domain, auth.spf.scope) == ("pass", "mail.a.test", "helo")
    assert auth.dmarc.verdict == "fail"


async def test_mail_without_a_connection_has_no_spf(zone: FakeDns, key: Key) -> None:
    auth = await judged(judge(zone), signed(key), client=None)
    assert verdicts(auth) == ("none", ["pass"], "pass", "none")


@pytest.mark.parametrize("mood", ["fails", "refuses", "is_lame"])
async def test_a_dns_in_trouble_makes_nothing_fail(zone: FakeDns, key: Key, mood: str) -> None:
    for name in ("a.test", key.name, "_dmarc.a.test"):
        getattr(zone, mood)(name)
    auth = await judged(judge(zone), sealed(key, signed(key)))
    assert verdicts(auth) == ("temperror", ["temperror"], "temperror", "temperror")


@pytest.mark.parametrize("name", ["a.test", "key", "_dmarc.a.test"])
async def test_what_is_not_known_in_time_is_in_doubt_and_the_rest_stands(
    zone: FakeDns, key: Key, name: str
) -> None:
    zone.waits(key.name if name == "key" else name)
    auth = await judged(judge(zone, timeout=timedelta(seconds=2)), signed(key))
    expected = {
        "a.test": ("temperror", ["pass"], "pass", "none"),
        "key": ("pass", ["temperror"], "pass", "none"),
        "_dmarc.a.test": ("pass", ["pass"], "temperror", "none"),
    }
    assert verdicts(auth) == expected[name]


async def test_a_child_that_fails_or_hangs_leaves_signatures_in_doubt(
    zone: FakeDns, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(asked: SignatureCheck) -> Signatures:
        raise RuntimeError("the child died")

    async def hangs(asked: SignatureCheck) -> Signatures:
        await asyncio.Event().wait()
        raise AssertionError

    header = sealed(key, signed(key))
    with caplog.at_level(logging.CRITICAL, "inbound.authenticate.judge"):
        for child in (breaks, hangs):
            auth = await judged(judge(zone, child, timedelta(seconds=2)), header, client="192.0.2.66")
            assert verdicts(auth) == ("fail", ["temperror"], "temperror", "temperror")
            assert (auth.dkim[0].domain, auth.dkim[0].selector) == ("a.test", "s1")


async def test_a_cancelled_judgement_stops(zone: FakeDns) -> None:
    zone.waits("a.test")
    task = asyncio.create_task(judged(judge(zone), HEADER))
    await zone.first_question.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("client", ["", "not an address", "fe80::1%eth0", "999.1.1.1"])
@pytest.mark.parametrize("helo", [None, "", "\udcff\x00", "[IPv6:::1]", "x" * 5000])
@pytest.mark.parametrize(
    "header", [b"", b"\x00\xff", b"From: \xff\xfe\r\n", b"DKIM-Signature:\r\nARC-Seal:\r\n"]
)
async def test_nothing_that_comes_in_raises(
    zone: FakeDns, client: str, helo: str | None, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    auth = await judge(zone).judge(client, helo, "", header, None, None)
    assert not caplog.records
    assert not auth.is_authentic
    assert msgspec.json.encode(auth)


async def test_the_second_message_of_a_sender_asks_the_dns_nothing(zone: FakeDns, key: Key) -> None:
    of = judge(zone)
    await judged(of, signed(key))
    asked = len(zone.asked)
    await judged(of, signed(key))
    assert len(zone.asked) == asked
