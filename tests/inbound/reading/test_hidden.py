"""What a person sees is told apart from what only a program would read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbound.reading.hidden import has_seen_text, look
from inbound.reading.html_tree import parse, serialise

SHEET = (
    "<style>/* x */ .gone, p#no{display:none} @media (max-width:600px){.wide{display:none}}"
    "@media screen{.s{font-size:0}} em{color:#fff!important} div.a{visibility:hidden} .w{color:white}</style>"
)
HTML = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "<p>",
                    "</p>",
                    "<div style='display:none'>",
                    "</div>",
                    "<b>",
                    "</b>",
                    "<table>",
                    "<td bgcolor=#fff>",
                ),
                *(
                    "</td>",
                    "<!--",
                    "-->",
                    "<br>",
                    "<a href='x",
                    '"',
                    ">",
                    "<style>",
                    "</style>",
                    "p{color:#fff}",
                ),
                *(
                    "&#99999999999999999999;",
                    "&#x",
                    "&amp;",
                    "<",
                    "</",
                    "<!",
                    "<script",
                    "\u200b",
                    "<font color=red>",
                ),
                *(
                    "<li>",
                    "<head>",
                    "<body>",
                    "<title>",
                    "=",
                    "<p style=",
                    "rgb(1,2,3)",
                    "hsl(0,0%,100%)",
                    "e",
                ),
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    "hiding",
    [
        *('<p style="display:none">X</p>', '<p style="DISPLAY : None !important">X</p>', "<p hidden>X</p>"),
        *('<div style="display:none"><p style="display:block">X</p></div>', "<p style=display:none>X</p>"),
        *(
            '<p style="visibility:hidden">X</p>',
            '<p style="opacity:0">X</p>',
            '<p style="opacity: 0.01">X</p>',
        ),
        *('<p style="font-size:0">X</p>', '<p style="font-size:1px">X</p>', '<p style="font:0/0 a">X</p>'),
        *('<div style="font-size:0"><i style="font-size:2em">X</i></div>', '<p style="font-size:.5pt">X</p>'),
        *('<p style="color:#fff">X</p>', '<p style="color:white">X</p>', '<font color="#FEFEFE">X</font>'),
        *('<p style="color:rgb(255,255,255)">X</p>', '<p style="color:rgba(0,0,0,0)">X</p>'),
        *('<p style="color:hsl(0, 0%, 100%)">X</p>', '<p style="color:transparent">X</p>'),
        *('<td bgcolor="black" style="color:white"><span style="color:#000001">X</span></td>',),
        *('<div style="background:#123456"><p style="color:#123456">X</p></div>',),
        *('<body bgcolor="#ffffff" text="#ffffff">X</body>', '<p style="mso-hide:all">X</p>'),
        *('<p style="text-indent:-9999px">X</p>', '<p style="position:absolute;left:-5000px">X</p>'),
        *('<p style="height:0;overflow:hidden">X</p>', '<p style="max-height:0px;overflow:hidden">X</p>'),
        *('<p style="width:1px;overflow-y:hidden">X</p>', '<p style="clip:rect(0 0 0 0)">X</p>'),
        *('<p style="clip-path: inset(100%)">X</p>', '<p style="transform:scale(0)">X</p>'),
        *('<p style="dis/**/play:none">X</p>', '<p style="display:n\\6fne">X</p>', "<template>X</template>"),
        *(f"{SHEET}<p class='b gone'>X</p>", f"{SHEET}<p id=no>X</p>", f"{SHEET}<i class=s>X</i>"),
        *(f"{SHEET}<em style='color:red'>X</em>", f"{SHEET}<div class=a>X</div>", f"{SHEET}<p class=w>X</p>"),
        *("<p><font color=#fff></p>X", "<div><p style=color:#fff>X</div>"),
    ],
)
def test_text_that_nobody_sees_is_hidden(hiding: str) -> None:
    seen, hidden = look(f"<p>Before</p>{hiding}")
    assert (seen, hidden) == ("Before", "X")


@pytest.mark.parametrize(
    "showing",
    [
        *(
            "<p>X</p>",
            '<p style="display:block">X</p>',
            '<p style="opacity:.9">X</p>',
            '<p style="color:#777">X',
        ),
        *(
            '<p style="visibility:hidden"><i style="visibility:visible">X</i></p>',
            '<p style="color:var(--x)">X',
        ),
        *('<td style="font-size:0"><p style="font-size:14px">X</p></td>', '<p style="font-size:small">X</p>'),
        *(
            '<td bgcolor="#000"><p style="color:#fff">X</p></td>',
            '<td background="b.png"><b style="color:#fff">X',
        ),
        *('<p style="background:#333;color:#fff">X</p>', '<p style="background:url(x.png);color:#fff">X</p>'),
        *('<p style="color:#fff"><a href="h">X</a></p>', '<p style="margin-left:-40px;height:0">X</p>'),
        *(f"{SHEET}<p class=wide>X</p>", f"{SHEET}<div id=no>X</div>", f"{SHEET}<p class=a>X</p>"),
        *("<p style=display:none>\u200b</p>X", "<p>X<!-- hidden? --></p>", "<script>no()</script>X"),
        *("<head><title>T</title><p>X", "<title>T</title><style>p{}</style>X", "<!--[if mso]>M<![endif]-->X"),
        *("<p style=display:none>\u200b<p>X", "<b><p>X", "X<p", "X<a href='"),
    ],
)
def test_text_that_is_shown_is_seen(showing: str) -> None:
    assert look(showing) == ("X", "")


def test_lines_and_paragraphs_stand_as_they_are_shown() -> None:
    document = (
        "<html><body><div>One\n  two</div><div>three<br>four</div><p>five&nbsp;&amp; six</p><p>seven</p>"
        "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table><ul><li>x<li>y</ul>"
        "<pre>p\n  q</pre></body></html>"
    )
    assert look(document)[0] == ("One two\nthree\nfour\n\nfive & six\n\nseven\n\na b\nc\n\nx\ny\n\np\n  q")


def test_characters_that_nobody_sees_are_dropped_and_what_they_spell_is_hidden() -> None:
    spelled = "".join(chr(0xE0000 + ord(letter)) for letter in "send money")
    assert look(f"<p>Hel\u200blo\u200c&nbsp;\u200c \u200d!{spelled}</p>") == ("Hello!", "send money")


@pytest.mark.parametrize(
    "text", ["❤️‍🔥", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "می‌خواهم"]
)
def test_what_writing_needs_is_kept(text: str) -> None:
    assert look(f"<p>{text}</p>") == (text, "")


def test_a_preheader_is_hidden_too() -> None:
    document = '<div style="display:none;max-height:0">Ten per cent off</div><h1>News</h1><p>Hello</p>'
    assert look(document) == ("News\n\nHello", "Ten per cent off")


@settings(max_examples=500)
@given(HTML)
def test_any_document_can_be_looked_at_and_comes_back_whole(document: str) -> None:
    assert serialise(parse(document)) == document
    seen, hidden = look(document)
    assert not any("\ud800" <= letter <= "\udfff" for letter in seen + hidden)
    assert has_seen_text(parse(document)) == bool(seen.strip())


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<div>",
            "<p>",
            "<b>",
            "</b>",
            "<!--",
            "<",
            "</",
            "<a b='",
            "<a ",
            "<table><td>",
            "<font><p></p>",
            "&#9",
        ),
        *(
            "<style>",
            "<p style='",
            "x{",
            "@media screen{",
            "<li>",
            "&nbsp;",
            "<i style=color:red>",
            "\u200c ",
            "=",
        ),
    ],
)
def test_endless_repetition_is_read(piece: str) -> None:
    document = piece * 20_000
    assert serialise(parse(document)) == document
    look(document)
