"""Alternatives: one is said, always the same one for the same words to the same person."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.templates.questions import Render, Source
from relay.templates.spintax import DEPTH, GROUPS, TooMuchSpintax, spun
from relay.templates.tasks import run

SOURCE = "{Hello|Hi {there|you}|Good {morning|day}}, {{ name }}"
SAID = {f"{start}, {{{{ name }}}}" for start in ("Hello", "Hi there", "Hi you", "Good morning", "Good day")}


def test_each_alternative_comes_up_and_the_same_one_for_the_same_seed() -> None:
    drawn = [spun(SOURCE, f"seed {number}") for number in range(300)]
    assert set(drawn) == SAID
    assert drawn == [spun(SOURCE, f"seed {number}") for number in range(300)]


def test_none_is_preferred() -> None:
    drawn = Counter(spun("{a|b|c|d}", str(number)) for number in range(4_000))
    assert all(850 < count < 1150 for count in drawn.values()), drawn


def test_the_parts_of_a_message_agree() -> None:
    source = Source(slots={"subject": "{a|b|c}"}, html="<p>{a|b|c}</p>", text="{a|b|c}")
    for number in range(20):
        done = run(Render(source, None, seed=str(number)))
        assert done.html == f"<p>{done.text}</p>"
        assert done.slots["subject"] == done.text


def test_the_same_group_twice_is_drawn_twice() -> None:
    drawn = {spun("{a|b}{a|b}", str(number)) for number in range(100)}
    assert drawn == {"aa", "ab", "ba", "bb"}


@pytest.mark.parametrize(
    "source",
    [
        "p { color: red } @media print { p { color: black } }",
        "{{ name | upcase }} {% if a %}|{% endif %}",
        "{ unclosed | here",
        "closed } | alone",
        "{}",
        "a | b",
    ],
)
def test_what_is_no_alternative_stays(source: str) -> None:
    assert spun(source, "seed") == source


def test_a_place_may_be_an_alternative() -> None:
    assert {spun("{{{a}}|b}", str(number)) for number in range(50)} == {"{{a}}", "b"}
    assert {spun("{x|{{a}}}", str(number)) for number in range(50)} == {"x", "{{a}}"}


def test_an_alternative_may_be_empty() -> None:
    assert {spun("a{|!}", str(number)) for number in range(50)} == {"a", "a!"}


def test_values_are_never_spun() -> None:
    done = run(Render(Source(text="{{ name }}"), {"name": "{a|b}"}, seed="seed"))
    assert done.text == "{a|b}"


@pytest.mark.parametrize("source", ["{a|" * (DEPTH + 1) + "b" + "}" * (DEPTH + 1), "{a|b}" * (GROUPS + 1)])
def test_there_is_an_end_to_it(source: str) -> None:
    with pytest.raises(TooMuchSpintax):
        spun(source, "seed")
    assert run(Render(Source(html=source), None, seed="s")).problem == "fault"


@given(st.text("{|}% ab", max_size=60), st.text(max_size=5))
def test_any_text_has_something_to_say(source: str, seed: str) -> None:
    said = spun(source, seed)
    assert said == spun(source, seed)
    assert len(said) <= len(source)
    if "|" not in source or "{" not in source:
        assert said == source
