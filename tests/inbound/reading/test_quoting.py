"""What is new in an answer is told apart from what it quotes, whoever's program wrote it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbound.reading.plain import html_to_text
from inbound.reading.quoting import separate
from relay.message.person import Person
from relay.message.reply import quote_html, quote_text
from tests.inbound.reading.replies import ON, PARENT, PARENT_HTML, QUOTED, REPLIES, Reply


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
def test_the_new_part_is_found(reply: Reply) -> None:
    separated = separate(reply.text, None, reply.parent, None, forwarded=reply.forwarded)
    assert separated.extracted_text == reply.new
    assert separated.signature == reply.signature


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
def test_line_ends_of_the_wire_change_nothing(reply: Reply) -> None:
    separated = separate(reply.text.replace("\n", "\r\n"), None, reply.parent, forwarded=reply.forwarded)
    assert separated.extracted_text == reply.new


NEW = '<div dir="ltr">Tuesday is <b>fine</b>.</div>'
HTML_ANSWERS = {
    "gmail": (
        f'{NEW}<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{ON}<br></div>'
        f'<blockquote class="gmail_quote" style="margin:0">{PARENT_HTML}</blockquote></div>'
    ),
    "apple": (
        f"<html><body>{NEW}<div><br><blockquote type='cite'><div>On 2 Mar 2026, at 09:00, Ann "
        f"&lt;ann@chairs.test&gt; "
        f"wrote:</div><br><div>{PARENT_HTML}</div></blockquote></div></body></html>"
    ),
    "thunderbird": (
        f'<html><body>{NEW}<div class="moz-cite-prefix">On 02/03/2026 09:00, Ann wrote:<br></div>'
        f'<blockquote type="cite" cite="mid:1@x">{PARENT_HTML}</blockquote></body></html>'
    ),
    "yahoo": (
        f'{NEW}<div id="yahoo_quoted_123" class="yahoo_quoted"><div>On Monday, March 2, 2026 at 09:00, Ann '
        f"wrote:</div>"
        f"<div>{PARENT_HTML}</div></div>"
    ),
    "outlook web": (
        f'<body>{NEW}<div id="appendonsend"></div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> '
        f"Ann<br>"
        f"<b>Sent:</b> Monday, March 2, 2026<br><b>Subject:</b> x</div><div>{PARENT_HTML}</div></body>"
    ),
    "outlook": (
        f'<div class="WordSection1">{NEW}<div><div style="border:none;border-top:solid #E1E1E1 '
        f'1.0pt;padding:3pt 0 0 0">'
        "<p><b>From:</b> Ann &lt;ann@chairs.test&gt;<br><b>Sent:</b> Monday, March 2, 2026 9:00<br>"
        "<b>To:</b> Bob<br>"
        f"<b>Subject:</b> x</p></div></div>{PARENT_HTML}</div>"
    ),
    "gmx": f'{NEW}<div name="quote"><div><b>Gesendet:</b> Montag</div><div>{PARENT_HTML}</div></div>',
    "unmarked": f"{NEW}<div>On 02/03/2026 09:00, Ann wrote:</div>{PARENT_HTML}",
    "roundcube": f'{NEW}<p id="reply-intro">On 2026-03-02 09:00, Ann wrote:</p><blockquote '
    f'type="cite">x</blockquote>',
}


@pytest.mark.parametrize("program", HTML_ANSWERS)
def test_html_keeps_what_is_new_as_it_was_written(program: str) -> None:
    html = HTML_ANSWERS[program]
    separated = separate("", html, PARENT, PARENT_HTML)
    assert separated.extracted_html is not None
    assert NEW in separated.extracted_html
    for old in ("blue chairs", "wrote:", "Ann", "Gesendet", "From:", "<hr"):
        assert old not in separated.extracted_html
    assert separated.extracted_text == "Tuesday is fine."


@pytest.mark.parametrize("program", HTML_ANSWERS)
def test_the_text_made_of_html_loses_the_same(program: str) -> None:
    text, _ = html_to_text(HTML_ANSWERS[program], 10_000)
    assert separate(text, HTML_ANSWERS[program], PARENT).extracted_text == "Tuesday is fine."


def test_answers_within_html_stay_in_their_order() -> None:
    html = (
        f'<div>Hi</div><div class="gmail_quote"><div class="gmail_attr">{ON}<br></div>'
        '<blockquote class="gmail_quote"><p>Which day would suit you better?</p></blockquote>'
        "<div>Tuesday.</div>"
        '<blockquote class="gmail_quote"><p>Should we take the old chairs with us?</p></blockquote>'
        "<div>No.</div></div>"
    )
    separated = separate("", html, PARENT)
    assert (
        separated.extracted_html
        == '<div>Hi</div><div class="gmail_quote"><div>Tuesday.</div><div>No.</div></div>'
    )
    assert separated.extracted_text.split() == ["Hi", "Tuesday.", "No."]


def test_answers_below_an_outlook_header_are_kept() -> None:
    html = (
        '<p>See below.</p><div style="border:none;border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Ann<br>'
        "<b>Sent:</b> Monday, March 2, 2026<br><b>To:</b> Bob<br><b>Subject:</b> x</p></div>"
        f"{PARENT_HTML.replace('<p>Should', '<p style=color:red>Tuesday!</p><p>Should')}"
    )
    separated = separate(html_to_text(html, 10_000)[0], html, PARENT)
    assert separated.extracted_html == "<p>See below.</p><p style=color:red>Tuesday!</p>"
    assert separated.extracted_text == "See below.\n\nTuesday!"


def test_a_parent_that_is_only_html_is_recognised() -> None:
    assert (
        separate(f"Tuesday is fine.\n\n{PARENT}", None, "", PARENT_HTML).extracted_text == "Tuesday is fine."
    )


def test_what_html_quotes_is_old_in_the_text_too() -> None:
    html = f"{NEW}<blockquote type=cite><p>Words that we never stored, but which are marked here.</p>"
    "</blockquote>"
    text = "Tuesday is fine.\n\nWords that we never stored, but which are marked here.\n"
    assert separate(text, html).extracted_text == "Tuesday is fine."


@pytest.mark.parametrize(
    "html",
    [
        "<p>Hello</p>",
        f"<blockquote type=cite>{PARENT_HTML}</blockquote>",
        '<p>FYI</p><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message '
        "---------<br>From: Ann"
        "</div><p>Hello Bob</p></div>",
        '<p>FYI</p><blockquote type="cite"><div>Begin forwarded message:</div><p>Hello Bob</p></blockquote>',
    ],
)
def test_html_without_anything_old_or_new_stays_whole(html: str) -> None:
    assert separate("", html, PARENT).extracted_html == html


def test_an_outlook_forward_in_html_stays_whole() -> None:
    html = HTML_ANSWERS["outlook web"]
    assert separate("", html, None, forwarded=True).extracted_html == html


def test_our_own_quotes_are_recognised() -> None:
    who = Person("ann@chairs.test", "Ann")
    assert separate(f"Yes.\n\n{quote_text(PARENT, who, None)}", None).extracted_text == "Yes."
    assert separate("", f"<p>Yes.</p>{quote_html(PARENT_HTML, who, None)}").extracted_html == "<p>Yes.</p>"


def test_hidden_text_is_told_apart() -> None:
    separated = separate("", "<p>Hello</p><p style='display:none'>Obey me</p>")
    assert (separated.visible_text, separated.hidden_text) == ("Hello", "Obey me")
    assert separate("Hel\u200blo", None).visible_text == "Hello"


_LINES = st.lists(
    st.one_of(
        st.sampled_from([line for reply in REPLIES for line in reply.text.split("\n")]),
        st.sampled_from(
            [*PARENT.split("\n"), *QUOTED.split("\n"), "-- ", "", "Sent from my iPhone", ON, ">", ">>>"]
        ),
        st.text(max_size=30),
    ),
    max_size=25,
)
_HTML = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "</div>", "<blockquote type=cite>", "</blockquote>", "<hr>", *HTML_ANSWERS.values()]
    )
    | st.text(max_size=8),
    max_size=6,
).map("".join)


@settings(max_examples=500)
@given(_LINES, st.one_of(st.none(), _HTML), st.sampled_from([PARENT, "", "x"]), st.booleans())
def test_whatever_comes_is_separated_and_nothing_is_made_up(
    lines: list[str], html: str | None, parent: str, forwarded: bool
) -> None:
    text = "\n".join(lines)
    separated = separate(text, html, parent, forwarded=forwarded)
    source = text if text.strip() else separated.visible_text
    known = set(source.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert set(separated.extracted_text.split("\n")) <= known | {""}
    assert set(separated.signature.split("\n")) <= known | {""}
    assert bool(separated.extracted_text.strip()) == bool(source.strip())
    assert (separated.extracted_html is None) == (html is None)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "x",
            "> x",
            "On 2 March at 9:00 wrote",
            "wrote:",
            "From: a@b.test",
            "Sent: 2",
            "-----Original Message-----",
        ),
        *(
            "On 02/03/2026 09:00, Ann Lee wrote:",
            "Hello Bob,",
            "Should we take the old chairs with us?",
            "",
            " ",
        ),
        *("-- ", "Best regards,", "On " + "a " * 200 + "wrote:", "a@b.test " * 100, "_" * 50, "On " * 3000),
        *("1:" * 2000, "<" * 3000, "<p>" * 1000),
    ],
)
def test_endless_repetition_is_separated(line: str) -> None:
    text = f"{line}\n" * (200_000 // (len(line) + 1))
    separate(text, text, text)
    separate(text, f"<p>{line}</p>" * (100_000 // (len(line) + 7)), PARENT)
