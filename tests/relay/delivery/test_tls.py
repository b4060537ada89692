"""TLS where it is offered, plain text where it fails; a smarthost's certificate is checked."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from relay.delivery import tls
from relay.delivery.outcome import Fate, Scope
from relay.delivery.smarthost import Smarthost, TlsUse, parse_smarthost
from relay.errors import InvalidInput
from tests.fakes.certificates import server_context
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import Station, parcel

AUTHORITY = trustme.CA()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine trusts AUTHORITY."""
    bundle = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    tls.tls_context.cache_clear()
    yield
    tls.tls_context.cache_clear()


@pytest.fixture
async def secure(station: Station) -> AsyncIterator[FarMx]:
    """example.net's exchanger, with a certificate that nobody vouches for and another name in it."""
    server = await FarMx.start(tls=server_context("elsewhere.test"))
    station.set(port=server.port)
    yield server
    await server.stop()


async def smart(
    station: Station, *, implicit: bool = False, name: str = "smart.test", tls: bool = True
) -> FarMx:
    """A smarthost server with a certificate of AUTHORITY; the station's DNS knows smart.test."""
    context = server_context(name, authority=AUTHORITY) if tls else None
    server = await FarMx.start(tls=context, implicit_tls=implicit)
    server.offers("AUTH PLAIN LOGIN")
    station.dns.address("smart.test", "127.0.0.1")
    return server


async def test_tls_is_used_where_it_is_offered_whatever_the_certificate(
    station: Station, secure: FarMx
) -> None:
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert outcome.tls is not None
    assert outcome.tls.startswith("TLSv1.3 ")
    assert outcome.tls.endswith(" unverified")
    assert secure.received[0].tls == "TLSv1.3"
    assert [line.split()[0] for line in secure.commands[:3]] == ["EHLO", "STARTTLS", "EHLO"]


async def test_what_was_offered_in_plain_text_is_forgotten_after_the_handshake(
    station: Station, secure: FarMx
) -> None:
    plain = "250 mx.example.net\nSTARTTLS\nSIZE 10"
    secure.answers("EHLO", plain, then="250 mx.example.net")
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert secure.received[0].parameters == []


async def test_after_a_failed_handshake_the_message_goes_in_plain_text_on_a_new_connection(
    station: Station, mx: FarMx
) -> None:
    mx.breaks_handshakes()
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.tls, mx.sessions) == (Fate.DELIVERED, None, 2)
    assert any("handshake failed" in line for line in outcome.dialogue)


async def test_a_server_of_another_age_is_spoken_to_in_plain_text(station: Station) -> None:
    context = server_context("mx.example.net")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers("AES128-SHA")
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    server = await FarMx.start(tls=context)
    station.set(port=server.port)
    client = tls.tls_context(False)
    before = client.maximum_version
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        (outcome,) = await station.send()
    finally:
        client.maximum_version = before
    assert (outcome.fate, outcome.tls, server.sessions) == (Fate.DELIVERED, None, 2)
    await server.stop()


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "501 hm", "554 no"])
async def test_a_refused_starttls_leaves_the_session_as_it_was(
    station: Station, secure: FarMx, answer: str
) -> None:
    secure.answers("STARTTLS", answer)
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.tls, secure.sessions) == (Fate.DELIVERED, None, 1)


async def test_text_behind_the_220_is_never_read_as_part_of_the_secure_session(
    station: Station, secure: FarMx
) -> None:
    """RFC 3207 §4.2; aiosmtplib had GHSA-vxj7-4xrp-5vr4."""
    secure.answers("STARTTLS", b"220 ready\r\n250-evil\r\n250 SMTPUTF8\r\n")
    (outcome,) = await station.send()
    assert outcome.tls is None
    assert any("before the handshake" in line for line in outcome.dialogue)


async def test_a_smarthost_gets_password_and_mail_over_verified_tls(station: Station, trusted: None) -> None:
    server = await smart(station)
    station.set(smarthost=parse_smarthost(f"smtp://us%40x:s%2Fcret@smart.test:{server.port}"))
    (outcome,) = await station.send(parcel("ann@nowhere.test"))
    assert outcome.fate is Fate.DELIVERED
    assert outcome.tls is not None
    assert outcome.tls.endswith(" verified")
    assert server.logins == [("us@x", "s/cret")]
    assert server.received[0].login == "us@x"
    assert not any("cret" in line or "AHVz" in line for line in outcome.dialogue)
    await server.stop()


async def test_auth_login_where_plain_is_not_offered(station: Station, trusted: None) -> None:
    server = await smart(station)
    server.offers("AUTH LOGIN")
    station.set(smarthost=parse_smarthost(f"smtp://us:secret@smart.test:{server.port}"))
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert server.logins == [("us", "secret")]
    assert not any("secret" in line or "c2VjcmV0" in line for line in outcome.dialogue)
    await server.stop()


async def test_smtps_speaks_tls_from_the_first_octet(station: Station, trusted: None) -> None:
    server = await smart(station, implicit=True)
    station.set(smarthost=parse_smarthost(f"smtps://us:secret@smart.test:{server.port}"))
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert outcome.tls is not None
    assert outcome.tls.endswith(" verified")
    await server.stop()


Prepare = Callable[[FarMx], object]


@pytest.mark.parametrize(
    ("name", "tls", "prepare"),
    [
        ("other.test", True, lambda mx: None),
        ("smart.test", False, lambda mx: None),
        ("smart.test", True, lambda mx: mx.answers("STARTTLS", "454 4.7.0 not now")),
        ("smart.test", True, lambda mx: mx.hides("AUTH")),
        ("smart.test", True, lambda mx: mx.answers("AUTH", "535 5.7.8 wrong")),
        ("smart.test", True, lambda mx: mx.answers("AUTH", "454 4.7.0 later")),
    ],
)
async def test_a_smarthost_that_cannot_be_trusted_or_does_not_know_us_gets_nothing_and_bounces_nothing(
    station: Station, trusted: None, name: str, tls: bool, prepare: Prepare
) -> None:
    server = await smart(station, name=name, tls=tls)
    prepare(server)
    station.set(smarthost=parse_smarthost(f"smtp://us:secret@smart.test:{server.port}"))
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == (Fate.DEFERRED, Scope.SESSION)
    assert server.says("MAIL") == []
    await server.stop()


async def test_a_certificate_can_be_accepted_unseen(station: Station) -> None:
    server = await smart(station, name="other.test")
    station.set(smarthost=parse_smarthost(f"smtp://us:secret@smart.test:{server.port}?verify=no"))
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert str(outcome.tls).endswith(" unverified")
    await server.stop()


async def test_a_smarthost_without_tls_or_password_is_the_line_for_tests(station: Station, mx: FarMx) -> None:
    station.set(smarthost=parse_smarthost(f"127.0.0.1:{mx.port}"), allow_private_networks=False)
    (outcome,) = await station.send(parcel("ann@anything.test"))
    assert (outcome.fate, outcome.mx) == (Fate.DELIVERED, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.test:2525", Smarthost("mail.test", 2525)),
        ("mail.test", Smarthost("mail.test", 25)),
        ("[2001:db8::1]:2525", Smarthost("2001:db8::1", 2525)),
        ("smtp://mail.test", Smarthost("mail.test", 25)),
        ("smtp://mail.test:587?tls=required&verify=yes", Smarthost("mail.test", 587, TlsUse.REQUIRED, True)),
        ("smtp://mail.test?tls=none", Smarthost("mail.test", 25, TlsUse.NONE)),
        ("smtps://u:p@mail.test", Smarthost("mail.test", 465, TlsUse.IMPLICIT, True, "u", "p")),
        ("submission://u:p%40@mail.test", Smarthost("mail.test", 587, TlsUse.REQUIRED, True, "u", "p@")),
    ],
)
def test_how_a_smarthost_is_written(text: str, expected: Smarthost) -> None:
    assert parse_smarthost(text) == expected
    assert "p@" not in repr(expected)


def test_no_text_is_no_smarthost() -> None:
    assert parse_smarthost("") is None


@pytest.mark.parametrize(
    "text",
    [
        "http://mail.test", "smtp://", "mail.test:port", "mail.test:99999", "smtp://u@mail.test",
        "smtp://u:p@mail.test?tls=none", "smtp://u:p@mail.test?tls=opportunistic", "smtp://mail.test/path",
        "smtp://mail.test?tls=yes", "smtp://mail.test?verify=maybe", "smtp://mail.test?x=y", "smtp://u:p%00@mail.test",
    ],
)  # fmt: skip
def test_what_is_no_smarthost_is_said_without_the_password(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_smarthost(text)
    assert "u:p" not in str(caught.value)


async def test_a_handshake_that_takes_for_ever_is_bounded(station: Station, mx: FarMx) -> None:
    mx.stalls_handshakes()
    station.set(timeouts=replace(station.settings.timeouts, handshake=0.1))
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.tls, mx.sessions) == (Fate.DELIVERED, None, 2)
