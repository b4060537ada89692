"""Links in HTML: what they lead to is replaced, and nothing else changes by a character."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.message.html_tokens import unescape_value
from relay.tracking.links import replace_links

OURS = "https://links.ours.test/t/c/AbC-_9"

LETTER = """<!DOCTYPE html>
<html xmlns:v="urn:schemas-microsoft-com:vml"><head>
<base href="https://shop.example/"><link rel="stylesheet" href="https://shop.example/a.css">
<style>a { background: url("https://shop.example/<a href='https://shop.example/s'>") }</style>
<!--[if mso]><v:rect href="https://shop.example/mso"><a href="https://shop.example/mso"></a></v:rect><![endif]-->
</head><body>
<!--[if !mso]><!-- --><A CLASS=x HREF='https://shop.example/?a=1&amp;b=2#f' >Buy</A><!--<![endif]-->
<map><area shape=rect coords="0,0,1,1" href=https://shop.example/area></map>
<a href="mailto:ann@shop.example">mail</a> <a href="tel:+491">call</a> <a href="#top">up</a> <a href="">x</a>
<a data-no-track href="https://shop.example/own">own</a>
<a href="https://shop.example/two" data-ph-no-track="1">two</a>
<a name="here" title="href='https://shop.example/title'">here</a>
<a  hReF = "  https://shop.example/sp&#97;ce ">s</a>
<p>&lt;a href="https://shop.example/text"&gt; 3 < 4 &amp; so on \u00e9 \U0001f600</p>
</body></html>
"""


def ours(href: str) -> str | None:
    return OURS if href.strip().startswith("http") else None


def test_the_links_of_a_letter_are_replaced_and_all_else_stays() -> None:
    seen: list[str] = []

    def instead(href: str) -> str | None:
        seen.append(href)
        return ours(href)

    done = replace_links(LETTER, instead)
    assert [href.strip() for href in seen if href.strip().startswith("http")] == [
        "https://shop.example/?a=1&b=2#f",
        "https://shop.example/area",
        "https://shop.example/space",
    ]
    expected = (
        LETTER.replace("'https://shop.example/?a=1&amp;b=2#f'", f"'{OURS}'")
        .replace("href=https://shop.example/area>", f"href={OURS}>")
        .replace('"  https://shop.example/sp&#97;ce "', f'"{OURS}"')
    )
    assert done == expected


def test_nothing_is_replaced_where_nothing_is_wanted() -> None:
    assert replace_links(LETTER, lambda href: None) == LETTER


@pytest.mark.parametrize(
    "document",
    [
        '<a href="https://shop.example/',
        "<a href='https://shop.example/>text</a>",
        "<a href=https://shop.example/",
        '<!-- <a href="https://shop.example/">',
        '<textarea><a href="https://shop.example/"></textarea>',
        '<script>var a = "<a href=\\"https://shop.example/\\">"</script>',
        '<a data-x-notrack href="https://shop.example/">',
        '<a hrefx="https://shop.example/">',
        "<a href>",
        "<a href=>",
        "< a href='https://shop.example/'>",
        '</a href="https://shop.example/">',
    ],
)
def test_what_is_no_link_for_a_browser_stays(document: str) -> None:
    assert replace_links(document, ours) == document


def test_of_several_the_first_is_meant_as_browsers_take_it() -> None:
    document = '<a href="https://shop.example/1" href="https://shop.example/2">'
    assert replace_links(document, ours) == f'<a href="{OURS}" href="https://shop.example/2">'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://x/?a=1&copy=2&reg=3", "https://x/?a=1&copy=2&reg=3"),
        ("https://x/?a=1&amp;copy=2", "https://x/?a=1&copy=2"),
        ("https://x/?a=1&amp=2", "https://x/?a=1&amp=2"),
        ("https://x/?a&ampb", "https://x/?a&ampb"),
        ("https://x/?a&amp", "https://x/?a&"),
        ("https://x/&#x41;&#66&notin;&notit;&bogus;", "https://x/AB\u2209&notit;&bogus;"),
        ("https://x/&#99999999999;", "https://x/\ufffd"),
    ],
)
def test_references_mean_in_a_value_what_they_mean_to_browsers(written: str, meant: str) -> None:
    assert unescape_value(written) == meant


def test_an_address_that_would_leave_its_attribute_is_refused() -> None:
    for unfit in ('https://x/">', "https://x/ y", "https://x/<"):
        with pytest.raises(ValueError, match="inside an attribute"):
            replace_links('<a href="https://x/">', lambda href, unfit=unfit: unfit)  # type: ignore[misc]
    told = replace_links("<a href='https://x/'>", lambda href: "https://x/?a=1&b='2'")
    assert told == "<a href='https://x/?a=1&amp;b=&#39;2&#39;'>"


QUOTES = st.sampled_from(['"', "'"])
WORDS = st.text(st.sampled_from("abc é&<;=-\t\n0"), max_size=12)
HREF = st.text(st.sampled_from("ab0/?=.~-"), max_size=8).map(lambda path: f"https://shop.example/{path}")


@st.composite
def links(draw: st.DrawFn) -> tuple[str, str]:
    """A link, and the same with our address."""
    quote, before = (
        draw(QUOTES),
        draw(st.sampled_from(["", ' class="b"', " title='a>b'", "\n disabled", ' x="href="'])),
    )
    name = draw(st.sampled_from(["href", "HREF", "hReF"]))
    space = draw(st.sampled_from(["", " ", "\n"]))
    tag = "<a{before} {name}{space}={space}{quote}{href}{quote}{after}>"
    after = draw(st.sampled_from(["", ' data-id="7"', " /", " target=_blank"]))
    made = dict(before=before, name=name, space=space, quote=quote, after=after)
    return tag.format(href=draw(HREF), **made), tag.format(href=OURS, **made)


PIECES = st.one_of(
    links(),
    WORDS.map(lambda text: (text.replace("<", "&lt;"),) * 2),
    HREF.map(lambda href: (f"<!--[if mso]><a href='{href}'><![endif]-->",) * 2),
    HREF.map(lambda href: (f'<img src="{href}" alt="<a href={href}>">',) * 2),
    HREF.map(lambda href: (f"<style>a::before {{ content: '<a href={href}>' }}</style>",) * 2),
    HREF.map(lambda href: (f'<p title="{href}">{href}</p>',) * 2),
)


@given(st.lists(PIECES, max_size=6))
def test_any_document_made_of_links_and_other_things(pieces: list[tuple[str, str]]) -> None:
    document, expected = ("".join(side) for side in zip(*pieces, strict=True)) if pieces else ("", "")
    assert replace_links(document, ours) == expected


@given(st.text(st.sampled_from("<>/!-a hreft=\"'&;https://x.\n\té"), max_size=200))
def test_whatever_is_written_only_values_change(document: str) -> None:
    places: list[str] = []

    def instead(href: str) -> str | None:
        places.append(href)
        return "\x00"

    pieces = replace_links(document, instead).split("\x00")
    assert len(pieces) == len(places) + 1
    # What is left is the document with so many gaps, each behind `href=`.
    assert re.fullmatch(".*?".join(map(re.escape, pieces)), document, re.DOTALL)
    for piece in pieces[:-1]:
        assert re.search(r"href\s*=\s*[\"']?\Z", piece, re.IGNORECASE)
