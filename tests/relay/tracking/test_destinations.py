"""Where links may lead, how that is spelled, and UTM parameters beside what is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tracking.destinations import destination_of, with_utm

UTM = {"source": "news", "medium": "email", "campaign": "März & April"}


@pytest.mark.parametrize(
    ("href", "leads_to"),
    [
        ("https://shop.example/a?b=c#d", "https://shop.example/a?b=c#d"),
        (" \thttps://shop.example/a\n b ", "https://shop.example/a%20b"),
        ("HTTP://Shop.Example", "HTTP://Shop.Example"),
        ("https://bücher.example/ä?ö=ü", "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"),
        ("https://shop.example/100%25?a=%zz", "https://shop.example/100%25?a=%zz"),
        ("https://ann:pw@shop.example:8443/", "https://ann:pw@shop.example:8443/"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("https://shop.example/?q=a\"b<c>'d", "https://shop.example/?q=a%22b%3Cc%3E'd"),
        ("https://shop.example\\@evil.example/", "https://shop.example\\@evil.example/"),
    ],
)
def test_http_and_https_lead_where_a_browser_would_go(href: str, leads_to: str) -> None:
    assert destination_of(href) == leads_to


@pytest.mark.parametrize(
    "href",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:ann@shop.example",
        "//shop.example/",
        "/path",
        "https:/shop.example",
        "https:shop.example",
        "https://",
        "https:///x",
        "https://?x",
        "ftp://shop.example/",
        "https://shop.example/\x00x",
        "https://shop.example/\x7fx",
        "https://\ud800.example/",
        "https://shop.example/\ud800",
        "https://shop.example/" + "x" * 2000,
        "https://shop.example/" + "ä" * 500,
    ],
)
def test_nothing_else_is_a_destination(href: str) -> None:
    assert destination_of(href) is None


@given(st.text(max_size=60))
def test_a_destination_can_stand_in_a_header_field(text: str) -> None:
    found = destination_of(f"https://shop.example/{text}")
    assert found is None or (found.isascii() and found.isprintable() and " " not in found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://x/", "https://x/?{}"),
        ("https://x/?a=1", "https://x/?a=1&{}"),
        ("https://x/?a=1#part", "https://x/?a=1&{}#part"),
        ("https://x/#/route?x=1", "https://x/?{}#/route?x=1"),
        ("https://x/?", "https://x/?{}"),
        ("https://x/?a&", "https://x/?a&{}"),
    ],
)
def test_utm_stands_behind_the_query_and_before_the_fragment(before: str, after: str) -> None:
    added = "utm_source=news&utm_medium=email&utm_campaign=M%C3%A4rz%20%26%20April"
    assert with_utm(before, UTM) == after.format(added)


def test_what_a_link_says_itself_stays() -> None:
    address = "https://x/?UTM_Source=own&utm_campaign="
    assert with_utm(address, UTM) == f"{address}&utm_medium=email"
    assert with_utm(address, {"source": "news"}) == address
    assert with_utm(address, {}) == address
