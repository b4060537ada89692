"""Where an image or a footer goes, and where nothing can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.message.html_tokens import tokens
from relay.tracking.insertions import before_the_end, pixel

MARK = '<img src="https://links.ours.test/t/o/A">'


@pytest.mark.parametrize(
    ("document", "with_mark"),
    [
        ("<p>Hi</p>", f"<p>Hi</p>{MARK}"),
        ("<html><body>Hi</BODY ></html>\n", f"<html><body>Hi{MARK}</BODY ></html>\n"),
        ("<p>Hi</html>", f"<p>Hi{MARK}</html>"),
        ("<!-- </body> --><body>Hi</body>", f"<!-- </body> --><body>Hi{MARK}</body>"),
        ("<body>a</body>b<body>c</body>", f"<body>a</body>b<body>c{MARK}</body>"),
        ("<style>x</style>Hi<!-- end -->", f"<style>x</style>Hi<!-- end -->{MARK}"),
        ("", MARK),
    ],
)
def test_it_stands_before_the_end_of_the_body(document: str, with_mark: str) -> None:
    assert before_the_end(document, MARK) == with_mark


@pytest.mark.parametrize(
    "document",
    [
        "<p>Hi <!-- open",
        "Hi <a href='x",
        'Hi <a title="a>',
        "Hi <style>p {",
        "Hi <textarea>",
        "Hi <b",
        "a <!DOCTYPE",
    ],
)
def test_nothing_is_put_where_it_would_be_swallowed_or_change_what_is_there(document: str) -> None:
    assert before_the_end(document, MARK) == document


@given(st.text(st.sampled_from("<>/!-abodyhtml=\"' stye\n"), max_size=80))
def test_what_is_put_in_is_a_tag_of_its_own_and_the_rest_is_as_it_was(document: str) -> None:
    done = before_the_end(document, MARK)
    if done == document:
        return
    before, mark, after = done.partition(MARK)
    assert (before + after, mark) == (document, MARK)
    assert MARK in [token.raw for token in tokens(done)]


def test_the_image_is_a_tag() -> None:
    assert pixel("https://l/t/o/A").count("<") == 1
