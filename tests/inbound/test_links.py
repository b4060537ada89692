"""Whatever a reader of a message may follow is found, in one form for all ways of writing it."""

import pytest

from inbound.links import links_of
from relay.message.links import host_of, normal

IN_TEXT = {
    "See https://Far.example/Path?q=1.": ["far.example/Path?q=1"],
    "(http://far.example/)": ["far.example"],
    "Go to www.far.example, now": ["www.far.example"],
    "it is on evil.com!": ["evil.com"],
    "EVIL.COM/x": ["evil.com/x"],
    "bücher.de and xn--bcher-kva.de": ["bücher.de", "xn--bcher-kva.de"],
    "ftp://files.example/a": ["ftp://files.example/a"],
    "http:\\\\far.example\\x": ["far.example/x"],
    # No links: addresses, versions, abbreviations, files, a missing space.
    "bob@far.example, v1.2.3, e.g. this, report.pdf, agree.In fact": [],
}


@pytest.mark.parametrize("text", IN_TEXT)
def test_links_in_text(text: str) -> None:
    assert list(links_of([text], None)) == IN_TEXT[text]


IN_HTML = {
    '<a href="https://far.example/x">here</a>': ["far.example/x"],
    "<a href=h&#116;tps://far.example>x</a>": ["far.example"],
    '<a href="java\nscript:alert(1)">x</a>': ["javascript:alert(1"],
    '<a href=" //far.example/x ">x</a>': ["far.example/x"],
    '<a href="mailto:Bob@Far.example?subject=x">x</a>': ["mailto:bob@far.example"],
    '<img srcset="https://a.example/1.png 1x, https://b.example/2.png 2x">': [
        "a.example/1.png",
        "b.example/2.png",
    ],
    '<form action="https://far.example/post"></form>': ["far.example/post"],
    '<div style="background: url(https://far.example/p.gif)">x</div>': ["far.example/p.gif"],
    "<style>@import 'https://far.example/s.css';</style>": ["far.example/s.css"],
    '<meta http-equiv=refresh content="0; url=https://far.example/">': ["far.example"],
    '<!--[if mso]><a href="https://far.example/">x</a><![endif]-->': ["far.example"],
    "<p>ev<b>il</b>.com</p>": ["evil.com"],
    '<img src="cid:logo"><a href="#top">up</a><img src="data:image/png;base64,AA==">': [],
}


@pytest.mark.parametrize("html", IN_HTML)
def test_links_in_html(html: str) -> None:
    assert list(links_of([], html)) == IN_HTML[html]


HOSTS = {
    "https://user:pw@Far.example:8443/x@y": "far.example",
    "far.example:80/x": "far.example",
    "https://ours.test@evil.example/": "evil.example",
    "https://ours.test\\@evil.example/": "ours.test",  # browsers end the host at a backslash
    "mailto:bob@far.example": "far.example",
    "javascript:alert(1)": "",
    "https://bücher.example/": "xn--bcher-kva.example",
    "https://far.example./": "far.example",
}


@pytest.mark.parametrize("link", HOSTS)
def test_a_host_is_the_one_that_is_asked(link: str) -> None:
    assert host_of(normal(link)) == HOSTS[link]


def test_a_long_text_takes_time_in_proportion() -> None:
    assert links_of(["a." * 500_000 + "x", "-" * 1_000_000, "www." * 100_000 + " "], None)
