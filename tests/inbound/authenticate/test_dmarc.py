"""What the author's domain asks for, and who may stand in for it."""

from typing import Any

import pytest

from inbound.authenticate.dmarc import author_domain, evaluate
from inbound.authenticate.results import DkimResult, DmarcResult, SpfResult
from tests.inbound.authenticate.zone import Zone, ZoneResolver

NO_SPF = SpfResult("none", "other.example")


def zone_of(**records: str) -> dict[str, Any]:
    """Records at `_dmarc.`; `a__test` stands for a.test."""
    return {f"_dmarc.{name.replace('__', '.')}": [{"TXT": text}] for name, text in records.items()}


def spf(domain: str) -> SpfResult:
    return SpfResult("pass", domain)


def dkim(*domains: str) -> list[DkimResult]:
    return [DkimResult("pass", domain) for domain in domains]


async def judged(zone: Zone, author: str, by_spf: SpfResult = NO_SPF, *by_dkim: DkimResult) -> DmarcResult:
    return await evaluate(ZoneResolver(zone), author, by_spf, by_dkim)


AUTHORS = {
    b"From: ann@a.test": "a.test",
    b"From: Ann <ann@A.Test>": "a.test",
    b"From: ann@a.test, Bob <bob@a.test>": "a.test",
    b"From: ann@b\xc3\xbccher.test": "xn--bcher-kva.test",
    b'From: "boss@bank.test" <eve@e.test>': "e.test",
    b"From: ann@a.test <ann@a.test>": "a.test",
    b"From: ann@a.test <ann@A.TEST>": "a.test",
    b"From: ann@bank.test <eve@e.test>": "",
    b"From: ann@a.test, bob@b.test": "",
    b"From: ann@a.test\r\nFrom: ann@a.test": "",
    b"From:": "",
    b"From: undisclosed:;": "",
    b"From: ann": "",
    b"From: <>": "",
    b"From: eve@e.test (ann@a.test": "",
    b"From: eve@e.test\\@a.test": "",
    b"From: <@a.test:eve@e.test>": "",
    b"From: ann@[192.0.2.1]": "[192.0.2.1]",
    b"To: ann@a.test": "",
    b"Fr\x00m: x": "",
}


@pytest.mark.parametrize(("field", "domain"), AUTHORS.items())
def test_the_author_is_one_domain_or_unclear(field: bytes, domain: str) -> None:
    assert author_domain(field + b"\r\n") == domain


async def test_an_unclear_author_is_an_error_and_a_literal_has_no_policy() -> None:
    assert (await judged({}, "")).verdict == "permerror"
    assert (await judged({}, "[192.0.2.1]")).verdict == "none"


ALIGNED: dict[str, tuple[str, str, list[DkimResult], SpfResult, str, str]] = {
    "dkim of the author": ("p=reject", "a.test", dkim("a.test"), NO_SPF, "pass", "dkim"),
    "spf of the author": ("p=reject", "a.test", [], spf("a.test"), "pass", "spf"),
    "dkim of a subdomain": ("p=reject", "a.test", dkim("mail.a.test"), NO_SPF, "pass", "dkim"),
    "dkim of the domain above": ("p=reject", "news.a.test", dkim("a.test"), NO_SPF, "pass", "dkim"),
    "spf of a sister": ("p=reject", "news.a.test", [], spf("bounce.a.test"), "pass", "spf"),
    "a strict record wants the very domain": (
        "p=reject; adkim=s; aspf=s", "a.test", dkim("mail.a.test"), spf("mail.a.test"), "fail", "",
    ),
    "strict for dkim": ("p=reject; adkim=s", "a.test", dkim("m.a.test"), spf("m.a.test"), "pass", "spf"),
    "a stranger's dkim": ("p=reject", "a.test", dkim("e.test"), spf("e.test"), "fail", ""),
    "a name that only ends alike": ("p=reject", "a.test", dkim("extra.test", "xa.test"), NO_SPF, "fail", ""),
    "the suffix above": ("p=reject", "a.test", dkim("test"), NO_SPF, "fail", ""),
    "another spelling": ("p=reject", "a.test", dkim("A.TEST."), NO_SPF, "pass", "dkim"),
    "the name in HELO": ("p=reject", "a.test", [], SpfResult("pass", "a.test", "helo"), "fail", ""),
    "spf that softly failed": ("p=reject", "a.test", [], SpfResult("softfail", "a.test"), "fail", ""),
    "dkim in part": ("p=reject", "a.test", [DkimResult("policy", "a.test")], NO_SPF, "fail", ""),
    "one of many": ("p=reject", "a.test", dkim("e.test", "f.test", "a.test"), NO_SPF, "pass", "dkim"),
    "dkim in doubt": ("p=reject", "a.test", [DkimResult("temperror", "a.test")], NO_SPF, "temperror", ""),
    "spf in doubt": ("p=reject", "a.test", [], SpfResult("temperror", "m.a.test"), "temperror", ""),
    "a stranger in doubt": ("p=reject", "a.test", [DkimResult("temperror", "e.test")], NO_SPF, "fail", ""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "author", "by_dkim", "by_spf", "verdict", "by"), ALIGNED.values(), ids=ALIGNED
)
async def test_evidence_counts_for_its_own_organization(
    record: str, author: str, by_dkim: list[DkimResult], by_spf: SpfResult, verdict: str, by: str
) -> None:
    result = await judged(zone_of(a__test=f"v=DMARC1; {record}"), author, by_spf, *by_dkim)
    assert (result.verdict, result.aligned) == (verdict, by)
    assert (result.domain, result.record_domain) == (author, "a.test")


POLICIES = {
    "p": ("p=quarantine", "a.test", "quarantine"),
    "p of an inherited record": ("p=reject", "m.a.test", "reject"),
    "sp": ("p=reject; sp=none", "m.a.test", "none"),
    "sp is not for the domain itself": ("p=reject; sp=none", "a.test", "reject"),
    "np for what is not there": ("p=none; sp=none; np=reject", "gone.a.test", "reject"),
    "np is not for what is there": ("p=none; sp=quarantine; np=reject", "m.a.test", "quarantine"),
    "a test of reject": ("p=reject; t=y", "a.test", "quarantine"),
    "a test of quarantine": ("p=quarantine; t=y", "a.test", "none"),
    "pct is history": ("p=reject; pct=0", "a.test", "reject"),
    "case and space": (" P=x ; p = Reject ;", "a.test", "reject"),
    "invalid with reports": ("p=often; rua=mailto:r@a.test", "a.test", "none"),
    "missing with reports": ("rua=mailto:r@a.test", "a.test", "none"),
}


@pytest.mark.parametrize(("record", "author", "policy"), POLICIES.values(), ids=POLICIES)
async def test_the_policy_is_the_one_for_that_name(record: str, author: str, policy: str) -> None:
    zone = zone_of(a__test=f"v=DMARC1; {record}") | {"m.a.test": [{"MX": [0, "m.a.test"]}], "a.test": []}
    result = await judged(zone, author)
    assert (result.verdict, result.policy) == ("fail", policy)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["p=reject"],
        ["v=DMARC2; p=reject"],
        ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
        ["v=DMARC1; p=reject; p=none"],
        ["v=DMARC1; p=often"],
        ["v=DMARC1"],
        ["v=DMARC1; p=reject; sp=often"],
        ["p=reject; v=DMARC1"],
        ["\udcff"],
    ],
)
async def test_what_is_no_record_is_none(texts: list[str]) -> None:
    zone: Zone = {"_dmarc.a.test": [{"TXT": text} for text in texts]}
    assert (await judged(zone, "a.test", NO_SPF, *dkim("a.test"))).verdict == "none"


async def test_other_texts_beside_a_record_do_not_matter() -> None:
    zone: Zone = {"_dmarc.a.test": [{"TXT": "hello"}, {"TXT": "v=DMARC1; p=reject"}]}
    assert (await judged(zone, "a.test")).policy == "reject"


async def test_a_public_suffix_parts_its_registrants() -> None:
    zone = zone_of(
        co__test="v=DMARC1; p=reject; psd=y", a__co__test="v=DMARC1; p=none", b__co__test="v=DMARC1; p=none"
    )
    assert (await judged(zone, "a.co.test", NO_SPF, *dkim("b.co.test"))).verdict == "fail"
    assert (await judged(zone, "x.a.co.test", NO_SPF, *dkim("y.a.co.test"))).verdict == "pass"
    inherited = await judged(zone, "c.co.test", NO_SPF, *dkim("d.co.test"))
    assert (inherited.verdict, inherited.record_domain, inherited.policy) == ("fail", "co.test", "reject")
    assert (await judged(zone, "c.co.test", NO_SPF, *dkim("m.c.co.test"))).verdict == "pass"


async def test_a_domain_may_say_that_the_organization_begins_with_it() -> None:
    zone = zone_of(a__test="v=DMARC1; p=none", own__a__test="v=DMARC1; p=reject; psd=n")
    assert (await judged(zone, "own.a.test", NO_SPF, *dkim("a.test"))).verdict == "fail"
    assert (await judged(zone, "a.test", NO_SPF, *dkim("m.own.a.test"))).verdict == "fail"
    assert (await judged(zone, "x.own.a.test", NO_SPF, *dkim("y.own.a.test"))).verdict == "pass"


async def test_the_record_highest_up_is_the_organizations() -> None:
    zone = zone_of(a__test="v=DMARC1; p=none", m__a__test="v=DMARC1; p=reject")
    below = await judged(zone, "m.a.test", NO_SPF, *dkim("x.a.test"))
    assert (below.verdict, below.record_domain) == ("pass", "m.a.test")
    assert (await judged(zone, "x.m.a.test")).record_domain == "a.test"


async def test_a_long_name_costs_eight_questions() -> None:
    labels = [f"l{number}" for number in range(40)]
    author = ".".join([*labels, "a", "test"])
    dns = ZoneResolver(zone_of(a__test="v=DMARC1; p=reject"))
    result = await evaluate(dns, author, NO_SPF, [])
    assert (result.verdict, result.record_domain) == ("fail", "a.test")
    walked = [name for name, record_type in dns.asked if record_type == "TXT"]
    assert walked[:2] == [f"_dmarc.{author}", "_dmarc.l35.l36.l37.l38.l39.a.test"]
    assert len(walked) == 8
    eight = ZoneResolver({})
    await evaluate(eight, "a.b.c.d.e.f.g.test", NO_SPF, [])
    assert len(eight.asked) == 8


async def test_many_signatures_do_not_make_many_walks() -> None:
    dns = ZoneResolver(
        zone_of(
            a__test="v=DMARC1; p=reject; psd=n",
            **{f"s{n}__a__test": "v=DMARC1; p=none; psd=n" for n in range(40)},
        )
    )
    result = await evaluate(dns, "a.test", NO_SPF, dkim(*(f"s{number}.a.test" for number in range(40))))
    assert result.verdict == "fail"
    assert len(dns.asked) <= 20


TROUBLE: Zone = {"_dmarc.a.test": ["TIMEOUT"], "_dmarc.own.a.test": [{"TXT": "v=DMARC1; p=reject"}]}


@pytest.mark.parametrize(
    ("author", "signer", "verdict"),
    [
        ("a.test", "a.test", "temperror"),
        ("m.a.test", "e.example", "temperror"),
        ("own.a.test", "own.a.test", "pass"),
        ("own.a.test", "x.own.a.test", "temperror"),
        ("own.a.test", "e.example", "fail"),
    ],
)
async def test_a_dns_in_trouble_is_doubt_only_where_it_matters(
    author: str, signer: str, verdict: str
) -> None:
    assert (await judged(TROUBLE, author, NO_SPF, *dkim(signer))).verdict == verdict


async def test_doubt_whether_the_author_exists_is_doubt_about_the_policy() -> None:
    zone = zone_of(a__test="v=DMARC1; p=none; np=reject") | {"m.a.test": ["TIMEOUT"]}
    assert (await judged(zone, "m.a.test")).verdict == "temperror"
    assert (await judged(zone, "m.a.test", NO_SPF, *dkim("a.test"))).verdict == "pass"


async def test_an_alias_of_nothing_is_there() -> None:
    zone = zone_of(a__test="v=DMARC1; p=none; np=reject") | {"m.a.test": [{"CNAME": "gone.test"}]}
    assert (await judged(zone, "m.a.test")).policy == "none"
