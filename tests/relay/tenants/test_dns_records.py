"""The records that a domain needs, in every form, and what counts as having them."""

import ipaddress
import json

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from relay.tenants.dns_judge import Judgement, Verdict, judge
from relay.tenants.dns_records import (
    DnsRecord,
    as_dicts,
    as_text,
    as_zone_file,
    data_of,
    records_for,
    split_text,
)

RSA = "v=DKIM1; k=rsa; p=" + "MIIB" * 98
ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
IPS = [ipaddress.ip_address("192.0.2.25"), ipaddress.ip_address("2001:db8::25")]
DKIM = [("s1r._domainkey.example.test", RSA), ("s1e._domainkey.example.test", ED25519)]
RECORDS = records_for("example.test", "mail.house.test", DKIM, IPS)


def record(name: str, type_: str = "TXT") -> DnsRecord:
    return next(each for each in RECORDS if (each.name, each.type) == (name, type_))


def test_a_domain_needs_keys_spf_dmarc_and_the_way_back() -> None:
    assert [(each.type, each.name, data_of(each)) for each in RECORDS] == [
        ("TXT", "s1r._domainkey.example.test", RSA),
        ("TXT", "s1e._domainkey.example.test", ED25519),
        ("TXT", "example.test", "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all"),
        ("TXT", "_dmarc.example.test", "v=DMARC1; p=none; rua=mailto:postmaster@example.test"),
        ("MX", "bounces.example.test", "10 mail.house.test"),
        ("TXT", "bounces.example.test", "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"),
        ("MX", "example.test", "10 mail.house.test"),
    ]
    assert [each.name for each in RECORDS if each.required] == ["s1r._domainkey.example.test"]


def test_without_known_addresses_spf_names_the_host() -> None:
    values = [each.value for each in records_for("example.test", "mail.house.test", [])]
    assert "v=spf1 a:mail.house.test ~all" in values


def test_the_zone_file_is_read_by_a_name_server_as_it_was_meant() -> None:
    text = "$ORIGIN test.\n@ 60 IN SOA ns.test. h.test. 1 1 1 1 1\n@ 60 IN NS ns.test.\n" + as_zone_file(
        RECORDS
    )
    zone = dns.zone.from_text(text, origin="test.", relativize=False)
    for expected in RECORDS:
        found = zone.find_rdataset(f"{expected.name}.", expected.type)
        values = (
            [f"{each.preference} {str(each.exchange).rstrip('.')}" for each in found]
            if expected.type == "MX"
            else [b"".join(each.strings).decode() for each in found]
        )
        assert values == [data_of(expected)]


def test_long_texts_are_split_where_dns_must_split_them() -> None:
    parts = split_text(RSA)
    assert "".join(parts) == RSA
    assert [len(part) for part in parts] == [255, len(RSA) - 255]
    assert split_text("") == [""]


def test_quotes_and_backslashes_survive_a_zone_file() -> None:
    odd = DnsRecord("TXT", "x.test", 'a "b" \\c; d', None, "odd", required=False)
    line = as_zone_file([odd]).splitlines()[1]
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, line.split("TXT ", 1)[1])
    assert b"".join(rdata.strings).decode() == odd.value  # type: ignore[attr-defined]


def test_the_table_is_aligned_and_values_are_whole() -> None:
    lines = as_text(RECORDS).splitlines()
    column = lines[0].index("value")
    assert [line[column:] for line in lines[1:]] == [data_of(each) for each in RECORDS]
    assert lines[1].startswith("required  TXT")


def test_records_are_json() -> None:
    assert json.loads(json.dumps(as_dicts(RECORDS)))[4] == {
        "type": "MX",
        "name": "bounces.example.test",
        "value": "mail.house.test",
        "priority": 10,
        "purpose": "bounces come back here",
        "required": False,
    }


@pytest.mark.parametrize("expected", RECORDS, ids=lambda each: f"{each.type} {each.name}")
def test_what_we_ask_for_is_right_and_nothing_is_missing(expected: DnsRecord) -> None:
    assert judge(expected, [data_of(expected)]) == Verdict(Judgement.RIGHT)
    assert judge(
        expected, ["google-site-verification=x", data_of(expected)][expected.type == "MX" :]
    ) == Verdict(Judgement.RIGHT)
    missing = judge(expected, [])
    assert missing.judgement is Judgement.MISSING
    assert missing.note


SPF, DMARC, MX = "example.test", "_dmarc.example.test", "bounces.example.test"
S1R = "s1r._domainkey.example.test"


@pytest.mark.parametrize(
    ("name", "found", "judgement"),
    [
        (SPF, ["V=SPF1 IP4:192.0.2.25 +ip6:2001:db8::25 include:other.test -all"], Judgement.RIGHT),
        (SPF, ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"], Judgement.RIGHT),
        (SPF, ["v=spf1 +all"], Judgement.RIGHT),
        (SPF, ["v=spf1 ip4:192.0.2.25 -all"], Judgement.WRONG),
        (SPF, ["v=spf1 -all ip4:192.0.2.25 ip6:2001:db8::25"], Judgement.WRONG),
        (SPF, ["v=spf1 -ip4:192.0.2.25 ip6:2001:db8::25 -all"], Judgement.WRONG),
        (SPF, ["v=spf1 ip4:nonsense ip6:2001:db8::25 -all"], Judgement.WRONG),
        (SPF, ["v=spf1 include:other.test -all"], Judgement.UNCLEAR),
        (SPF, ["v=spf1 mx -all"], Judgement.UNCLEAR),
        (SPF, ["v=spf1 redirect=_spf.other.test"], Judgement.UNCLEAR),
        (SPF, ["v=spf1 -all", "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"], Judgement.WRONG),
        (SPF, ["v=spf10 ip4:192.0.2.25 ip6:2001:db8::25"], Judgement.MISSING),
        (DMARC, ["v=DMARC1;p=reject"], Judgement.RIGHT),
        (DMARC, ["v=DMARC1; p=quarantine; sp=none"], Judgement.RIGHT),
        (DMARC, ["v=DMARC1; p=maybe"], Judgement.WRONG),
        (DMARC, ["v=DMARC1; p=none", "v=DMARC1; p=reject"], Judgement.WRONG),
        (DMARC, ["hello"], Judgement.MISSING),
        (S1R, [RSA.replace("p=", "p= ").replace("v=DKIM1; ", "")], Judgement.RIGHT),
        (S1R, [RSA.replace("k=rsa; ", "")], Judgement.RIGHT),
        (S1R, [RSA[:255]], Judgement.WRONG),
        (S1R, [ED25519], Judgement.WRONG),
        (S1R, ["v=DKIM1; p="], Judgement.WRONG),
        (S1R, [RSA, ED25519], Judgement.WRONG),
        (S1R, [RSA + "; t=y"], Judgement.UNCLEAR),
        (S1R, ["v=spf1 -all"], Judgement.MISSING),
    ],
)
def test_texts_are_judged_by_their_meaning(name: str, found: list[str], judgement: Judgement) -> None:
    verdict = judge(record(name), found)
    assert verdict.judgement is judgement
    assert bool(verdict.note) is (judgement is not Judgement.RIGHT)


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (["10 mail.house.test."], Judgement.RIGHT),
        (["5 other.test.", "50 MAIL.house.test."], Judgement.RIGHT),
        (["10 other.test."], Judgement.WRONG),
        (["0 ."], Judgement.WRONG),
    ],
)
def test_mail_must_come_here(found: list[str], judgement: Judgement) -> None:
    assert judge(record(MX, "MX"), found).judgement is judgement
