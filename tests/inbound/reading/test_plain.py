"""HTML is shown as text, in one pass."""

import pytest

from inbound.reading.plain import html_to_text
from tests.inbound.reading.mails import read


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one</p><p>two<br>three</p>", "one\n\ntwo\nthree"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("a  b\n c", "a b c"),
        ("&lt;b&gt; &amp;&nbsp;&#252;&#x20AC;&unknown;", "<b> & ü€&unknown;"),
        ("<a href='https://x.test/y'>here</a>", "here <https://x.test/y>"),
        ("<a href=https://x.test/>https://x.test</a>", "https://x.test"),
        ("<a href='javascript:x()'>here</a>", "here"),
        ("<head><title>t</title><style>p{}</style></head><body>b</body>", "b"),
        ("<script>if (a < b) '</p>'</script>after", "after"),
        ("x<!-- <p>hidden</p> -->y<!doctype z>", "xy"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>c", "> a\n>\n> > b\n>\nc"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("1 < 2 <3", "1 < 2 <3"),
        ('<img alt="a>b">x', "x"),
        ('<p title="never closed>x</p>y', "x\n\ny"),
        ("a<b", "a"),
        ("&#" + "1" * 5000 + ";", "&#" + "1" * 5000 + ";"),
        ("", ""),
    ],
)
def test_text_is_what_a_page_shows(source: str, text: str) -> None:
    shown, is_whole = html_to_text(source, 10_000)
    assert "\n".join(line.rstrip() for line in shown.split("\n")) == text or shown == text
    assert is_whole


def test_what_is_too_long_is_cut_and_said() -> None:
    assert html_to_text("abc" * 10, 4) == ("abca", False)
    assert html_to_text("<b></b>" * 300_000, 10)[1] is False


def test_a_message_with_html_alone_has_text() -> None:
    parsed = read("Content-Type: text/html\n\n<p>hello <b>you</b></p>\n")
    assert (parsed.text, parsed.html) == ("hello you", "<p>hello <b>you</b></p>\n")
