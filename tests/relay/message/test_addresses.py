"""What one reader could take otherwise than another is refused; the rest is read as everybody reads it."""

from email.headerregistry import AddressHeader
from email.policy import default

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.address import InvalidAddress
from relay.message.headers import addresses_of


def _read(value: str) -> list[str]:
    return [str(address) for address in addresses_of(value)]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("ann@a.test", ["ann@a.test"]),
        ("<ann@a.test>", ["ann@a.test"]),
        ("< ann@a.test >", ["ann@a.test"]),
        (
            '"Smith, \\"Ann\\" <x@y.test>" <ann@A.test>, (a (nested\\)) one) bob@b.test (Bob)',
            ["ann@a.test", "bob@b.test"],
        ),
        ("John Q. Public <john@a.test>", ["john@a.test"]),
        ("=?utf-8?q?a=40b=2Etest?= <ann@a.test>", ["ann@a.test"]),
        ("Jörg <jörg@bücher.example>", ["jörg@xn--bcher-kva.example"]),
        ("Team: ann@a.test, Bob <bob@b.test>;, eve@c.test", ["ann@a.test", "bob@b.test", "eve@c.test"]),
        ("undisclosed-recipients:;", []),
        ("Nobody: (really) ; (no one)", []),
        ('"ann"@a.test, "a,b"@a.test', ["ann@a.test", '"a,b"@a.test']),
        ("ann@[127.0.0.1]", ["ann@[127.0.0.1]"]),
        ("root@a.test (Cron Daemon)", ["root@a.test"]),
        ('Jos\udce9 <jose@a.test>, "M\udcfcller, A" <a@b.test> (\udce4)', ["jose@a.test", "a@b.test"]),
    ],
)
def test_lists_are_read(value: str, addresses: list[str]) -> None:
    assert _read(value) == addresses


@pytest.mark.parametrize(
    "value",
    [
        "",
        " (nobody) ",
        "ann",
        '"',
        "a@[",
        "<",
        "<>",
        "(" * 500,
        "(" * 40 + ")" * 40 + "a@a.test",
        "a@a.test,",
        ",a@a.test",
        "a@a.test,,b@b.test",
        "a@a.test b@b.test",
        "a@a.test; b@b.test",
        "a@a.test <b@b.test>",
        "b@b.test <b@b.test>",
        "<a@a.test> <b@b.test>",
        "<a@a.test> b@b.test",
        "<a@a.test>b",
        "<<a@a.test>>",
        "Ann <a@a.test",
        "Ann a@a.test>",
        "Ann, Bob <a@a.test>",
        "<@c.test,@d.test:a@a.test>",
        "<a@a.test,b@b.test>",
        "<(x)a@a.test>",
        "a(x)@a.test",
        "a@(x)a.test",
        "a @ a.test",
        "a. b@a.test",
        "a@a. test",
        "a@b@c.test",
        '"a"b@a.test',
        '"a".b@a.test',
        '"a\\"b"@a.test',
        '"a b"@a.test',
        "=?utf-8?q?ann=40evil.test?=@a.test",
        "ann@=?utf-8?q?a.test?=",
        "=?utf-8?q?ann@a.test?= <bob@b.test>",
        "Team: a@a.test",
        "Team: a@a.test; b@b.test",
        "Team: Inner: a@a.test;;",
        ": a@a.test;",
        "Team: a@a.test,;",
        "a@a.test\r\n <b@b.test>",
        "a@a.test\0",
        "A\x85 <a@a.test>",
        "a\udcff@a.test",
        "<a@a\udcff.test>",
        "\udce9",
        # In Shift_JIS \x83\x5c is one letter, so that the first string ends before <evil@….
        '"\udc83\\\\" <evil@b.test>, \\"b" <a@a.test>',
        '"\udc83\\" <evil@b.test>, \\"b" <a@a.test>',
        "A\u2028 <a@a.test>",
        "[a@a.test]",
        "a\\@b@a.test",
        "Ann <a@a.test>, Bob",
    ],
)
def test_what_is_unclear_is_refused(value: str) -> None:
    with pytest.raises(InvalidAddress):
        addresses_of(value)


_PARTS = st.sampled_from(
    [
        "ann",
        "@",
        "a.test",
        "<",
        ">",
        ",",
        ";",
        ":",
        '"',
        "\\",
        "(",
        ")",
        " ",
        ".",
        "[",
        "]",
        "=?utf-8?q?x?=",
        "\t",
        "é",
        "\n",
    ]
)


@settings(max_examples=500)
@given(st.one_of(st.lists(_PARTS, max_size=25).map("".join), st.text(max_size=30)))
@example("(" * 100_000)
@example('"' + "\\" * 99_999)
@example("a@a.test," * 10_000 + "a@a.test")
def test_only_one_error_comes_out(value: str) -> None:
    try:
        addresses = addresses_of(value)
    except InvalidAddress:
        return
    assert all(address.domain and address.local_part for address in addresses)


_NAMES = st.sampled_from(["", "Ann ", '"Ann, B" ', "Ann (x) B. ", "(c) "])
_ADDRESSES = st.sampled_from(["ann@a.test", "bob.b@b.test", "x+y@c.test"])


@settings(max_examples=200)
@given(st.lists(st.tuples(_NAMES, _ADDRESSES), min_size=1, max_size=5))
def test_clear_lists_are_read_as_the_stdlib_reads_them(members: list[tuple[str, str]]) -> None:
    value = ", ".join(f"{name}<{address}>" for name, address in members)
    header = default.header_factory("To", value)

    assert isinstance(header, AddressHeader)
    assert _read(value) == [address.addr_spec for address in header.addresses]
