"""Our field says what was found, and no other field speaks in our name."""

import pytest

from inbound.authenticate.field import authentication_results, without_forged
from inbound.authenticate.results import ArcResult, Authentication, DkimResult, DmarcResult, SpfResult
from relay.message.headers import Header

OURS = "mx.ours.test"


def authentication(
    spf: SpfResult | None = None, dkim: tuple[DkimResult, ...] = (), dmarc: DmarcResult | None = None
) -> Authentication:
    return Authentication(
        spf or SpfResult("none"), dkim, dmarc or DmarcResult("none", "a.test"), ArcResult(), "a.test"
    )


def value_of(auth: Authentication) -> str:
    raw = authentication_results(auth, OURS)
    [field] = Header.parse(raw).fields
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    return field.value


def test_every_verdict_stands_there_with_what_it_is_about() -> None:
    auth = Authentication(
        SpfResult("pass", "a.test"),
        (
            DkimResult("pass", "a.test", "s1", "rsa-sha256", "@a.test"),
            DkimResult("fail", "b.test", "s2", "ed25519-sha256", reason="the body was changed"),
        ),
        DmarcResult("pass", "a.test", "a.test", "reject", "dkim"),
        ArcResult("fail", ("c.test",), "two seals"),
        "a.test",
    )
    assert value_of(auth) == (
        "mx.ours.test; spf=pass smtp.mailfrom=a.test;"
        " dkim=pass header.d=a.test header.s=s1 header.a=rsa-sha256 header.i=@a.test;"
        ' dkim=fail reason="the body was changed" header.d=b.test header.s=s2 header.a=ed25519-sha256;'
        " dmarc=pass header.from=a.test policy.dmarc=reject;"
        ' arc=fail reason="two seals"'
    )


def test_nothing_found_is_said_as_well() -> None:
    auth = authentication(SpfResult("none", "mail.a.test", "helo"))
    assert value_of(auth) == (
        "mx.ours.test; spf=none smtp.helo=mail.a.test; dkim=none; dmarc=none header.from=a.test; arc=none"
    )


HOSTILE = [
    'a.test; dmarc=pass header.from="bank.test"',
    "a.test\r\nX-Injected: yes",
    "a.test (comment",
    'quo"te\\.test',
    "b\xfccher.test \u202e",
    "x" * 5000,
    "a b c",
    "\udcff\x00",
    "dkim=pass",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_words_do_not_break_out(text: str) -> None:
    auth = authentication(
        SpfResult("fail", text, reason=text),
        (DkimResult("neutral", text, text, text, text, text),),
        DmarcResult("permerror", text, text, "", "", text),
    )
    value = value_of(auth)
    outside = "".join(value.split('"')[::2])
    assert value.isascii()
    assert outside.count(";") == 4
    assert "pass" not in outside
    assert "(" not in outside


FORGED = {
    "plain": b"mx.ours.test; dmarc=pass",
    "another case": b"MX.Ours.TEST; dmarc=pass",
    "with a version": b"mx.ours.test 1; dmarc=pass",
    "with a version and no space": b"mx.ours.test/1; dmarc=pass",
    "quoted": b'"mx.ours.test"; dmarc=pass',
    "quoted with a quoted pair": b'"mx.\\ours.test" ; dmarc=pass',
    "behind a comment": b"(x) mx.ours.test; dmarc=pass",
    "behind nested comments": b"(x (y; z) \\) ) mx.ours.test (w) 1 (v); dmarc=pass",
    "a comment inside": b"mx.(x)ours.test; dmarc=pass",
    "on the next line": b"\r\n\tmx.ours.test;\r\n dmarc=pass",
    "with a dot at the end": b"mx.ours.test.; dmarc=pass",
    "without results": b"mx.ours.test",
    "no space at all": b"mx.ours.test;dmarc=pass",
    "in a comment that never ends": b"(x mx.ours.test; dmarc=pass",
    "a comment that never began": b"x) mx.ours.test; dmarc=pass",
}


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize(
    "name", [b"Authentication-Results:", b"AUTHENTICATION-RESULTS: ", b"authentication-Results \t:"]
)
def test_whoever_speaks_in_our_name_is_removed(name: bytes, value: bytes) -> None:
    header = Header.parse(b"Subject: a\r\n" + name + value + b"\r\nTo: b\r\n")
    assert bytes(without_forged(header, OURS)) == b"Subject: a\r\nTo: b\r\n"


@pytest.mark.parametrize(
    "value",
    [
        b"mx.theirs.test; dkim=pass",
        b"ours.test; dkim=pass",
        b"xmx.ours.test; dkim=pass",
        b"mx.ours.test.theirs.test; dkim=pass",
        b"mx.ours.testing; dkim=pass",
        b"mx.theirs.test; dkim=pass header.d=mx.ours.test",
        b"(mx.ours.test) mx.theirs.test; dkim=pass",
        b"",
    ],
)
def test_what_others_say_in_their_own_name_stays(value: bytes) -> None:
    block = b"Authentication-Results: " + value + b"\r\nARC-Authentication-Results: i=1; mx.ours.test\r\n"
    assert bytes(without_forged(Header.parse(block), OURS)) == block


def test_a_name_in_another_alphabet_has_one_meaning() -> None:
    block = "Authentication-Results: mx.bücher.test; dmarc=pass\r\n".encode()
    assert not without_forged(Header.parse(block), "mx.xn--bcher-kva.test").fields
