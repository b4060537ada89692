"""Addresses: one spelling each, and nothing in them that could become something else further on."""

import contextlib
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.address import (
    NULL_PATH,
    POSTMASTER,
    Address,
    InvalidAddress,
    display_domain,
    is_literal,
    literal_ip,
    parse_address,
    parse_domain,
    parse_path,
    parse_reverse_path,
    quote_local_part,
    read_reverse_path,
)

# Texts that look like addresses, and texts that look like attacks on one.
pieces = st.sampled_from(
    [
        "a",
        "Ann",
        ".",
        "@",
        '"',
        "\\",
        "<",
        ">",
        " ",
        "\t",
        "\r",
        "\n",
        "\0",
        "\x7f",
        "\x85",
        "\u2028",
        "\u00a0",
        "\u3000",
        "\u202e",
        "\ufeff",
        "\ud800",
        "=?utf-8?q?",
        "?=",
        "(",
        ")",
        ",",
        ":",
        ";",
        "%",
        "!",
        "\u00fc",
        "u\u0308",
        "\u212a",
        "b\u00fccher",
        "xn--bcher-kva",
        ".test",
        "example.test",
        "ours.test",
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
        "127.0.0.1",
        "\uff20",
        "\u3002",
        "-",
        "_",
        "+tag",
        "\u200d",
    ]
)
texts = st.lists(pieces, max_size=8).map("".join) | st.text(max_size=40)
HARMFUL = set('<> \t\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u00a0\u3000\u202e\ufeff\\"')


@given(local=texts, domain=texts)
@example(local="ann", domain="example.test")
@example(local='"a..b"', domain="[IPv6:::1]")
@example(local="x" * 64, domain="\u00fc." * 60 + "test")
def test_what_is_accepted_is_harmless_and_reads_back_the_same(local: str, domain: str) -> None:
    try:
        address = parse_address(f"{local}@{domain}")
    except InvalidAddress:
        return
    assert not HARMFUL & set(address.local_part + address.domain)
    assert "@" not in address.local_part + address.domain
    assert address.domain.isascii()
    assert "=?" not in address.local_part or "?=" not in address.local_part or "q?" not in address.local_part
    assert parse_address(str(address)) == address
    assert parse_path(f"<{address}>", allow_utf8=True) == address
    assert read_reverse_path(str(address)) == address
    assert str(address).split() == [str(address)]
    assert str(address).splitlines() == [str(address)]
    assert len(str(address).encode()) <= 254


@given(texts)
def test_any_text_is_an_address_or_invalid(text: str) -> None:
    for reader in (parse_address, parse_path, parse_reverse_path, parse_domain):
        with contextlib.suppress(InvalidAddress):  # and nothing else
            assert reader(text) is not None


atoms = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=20)


@given(st.lists(atoms, min_size=1, max_size=3).map(".".join), st.sampled_from(["example.test", "a.b.test"]))
def test_every_dot_string_is_a_local_part(local: str, domain: str) -> None:
    if "=?" in local or len(local) > 64:
        return
    assert parse_address(f"{local}@{domain}", allow_utf8=False) == Address(local, domain)


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("ann@example.test", "ann", "example.test"),
        ("Ann@EXAMPLE.Test", "Ann", "example.test"),
        ("ann+tag@example.test", "ann+tag", "example.test"),
        ('"ann"@example.test', "ann", "example.test"),
        ('"a..b"@example.test', "a..b", "example.test"),
        ('"a,b"@example.test', "a,b", "example.test"),
        ("a%b@example.test", "a%b", "example.test"),
        ("a!b@example.test", "a!b", "example.test"),
        ("ann@b\u00fccher.test", "ann", "xn--bcher-kva.test"),
        ("ann@B\u00dcCHER.test", "ann", "xn--bcher-kva.test"),
        ("ann@example\u3002test", "ann", "example.test"),
        ("\u00fc@example.test", "\u00fc", "example.test"),
        ("ann@[192.0.2.1]", "ann", "[192.0.2.1]"),
        ("ann@[ipv6:2001:DB8:0::1]", "ann", "[IPv6:2001:db8::1]"),
        ("ann@localhost", "ann", "localhost"),
        ("x" * 64 + "@example.test", "x" * 64, "example.test"),
    ],
)
def test_one_spelling_for_each(text: str, local_part: str, domain: str) -> None:
    assert parse_address(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@",
        "ann@",
        "@example.test",
        "a b@example.test",
        "ann@example.test.",
        "ann@.test",
        "ann@a..b",
        "ann@-a.test",
        "ann@a-.test",
        "ann@a_b.test",
        "ann@127.0.0.1",
        "ann@127.0.0.0x1",
        "ann@0x7f000001",
        "ann@2130706433",
        "ann@[127.0.0.01]",
        "ann@[IPv6:fe80::1%1]",
        "ann@[IPv6:192.0.2.1]",
        "ann@[]",
        "ann@[",
        "ann@[x]",
        "a\u202eb@example.test",
        '"a\u00a0b"@example.test',
        '"a\\b"@example.test',
        "x" * 65 + "@a.test",
        "ann@" + "b" * 64 + ".test",
        "ann@" + "b." * 125 + "test",
        "ann@ex\uff20ample.test",
        "ann@\u2028.test",
        "x" * 60 + "@" + ("b" * 60 + ".") * 3 + "b" * 20 + ".test",
        "ann@xn--\u00fc.test",
        "\ud800@example.test",
    ],
)
def test_what_is_unclear_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_an_address_is_never_longer_on_the_wire_than_allowed() -> None:
    domain = ".".join(["\u00fc" * 20] * 8) + ".test"
    with pytest.raises(InvalidAddress, match="too long"):
        parse_address("x" * 60 + "@" + domain)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("<ann@example.test>", "ann@example.test"),
        ("<@a.test:ann@example.test>", "ann@example.test"),
        ("<@a.test,@b.test:ann@example.test>", "ann@example.test"),
    ],
)
def test_paths(path: str, text: str) -> None:
    assert str(parse_path(path)) == text


@pytest.mark.parametrize(
    "path", ["", "<", ">", "<>", "ann@example.test", "<@a.test,ann@example.test>", "<@a.test:>", "<ann>"]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_path(path)


def test_utf8_must_be_allowed() -> None:
    for path in ("<\u00fc@example.test>", "<ann@b\u00fccher.test>"):
        with pytest.raises(InvalidAddress, match="SMTPUTF8"):
            parse_path(path)
        assert parse_path(path, allow_utf8=True)


def test_the_null_path_is_empty_text() -> None:
    assert parse_reverse_path("<>") is NULL_PATH
    assert str(NULL_PATH) == ""
    assert read_reverse_path("") is NULL_PATH
    assert parse_reverse_path("<ann@example.test>") == Address("ann", "example.test")


def test_keys_are_blind_to_case_and_composition() -> None:
    assert parse_address("Ann@example.test").key == parse_address("aNN@Example.test").key
    assert parse_address("\u00fc@example.test").key == parse_address("u\u0308@example.test").key
    assert parse_address("ann@example.test").key != parse_address("anm@example.test").key


def test_who_needs_smtputf8() -> None:
    assert parse_address("\u00fc@example.test").needs_utf8
    assert not parse_address("ann@b\u00fccher.test").needs_utf8


def test_domains_for_people_and_literals() -> None:
    assert display_domain("xn--bcher-kva.test") == "b\u00fccher.test"
    assert display_domain("xn--\x00.test") == "xn--\x00.test"
    assert display_domain("example.test") == "example.test"
    assert is_literal("[192.0.2.1]")
    assert not is_literal("example.test")
    assert str(literal_ip("[192.0.2.1]")) == "192.0.2.1"
    assert str(literal_ip("[IPv6:2001:db8::1]")) == "2001:db8::1"


def test_quotes_only_where_they_must_be() -> None:
    assert quote_local_part("ann") == "ann"
    assert quote_local_part("a..b") == '"a..b"'
    assert str(POSTMASTER) == "postmaster"
