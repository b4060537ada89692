"""What a template says when it is filled in, and what it says is missing."""

from typing import Any

import pytest

from relay.templates.questions import Examine, Render, Rendered, Source
from relay.templates.tasks import run

ORDER = {"total": 150, "items": [{"name": "Widget", "price": 75}, {"name": "Gadget", "price": 75}]}


def fill(variables: dict[str, Any] | None = None, **parts: Any) -> Rendered:
    return run(Render(Source(**parts), {} if variables is None else variables))


def text(source: str, **variables: Any) -> str | None:
    done = fill(variables, text=source)
    assert (done.problem, done.missing) == ("", ()), done
    return done.text


def test_variables_conditions_and_loops() -> None:
    source = (
        "Hi {{ customer.first_name }}. {% if order.total > 100 %}10% off.{% endif %}"
        "{% for item in order.items %} {{ item.name }} ${{ item.price }}{% endfor %}"
    )
    assert text(source, customer={"first_name": "Alex"}, order=ORDER) == (
        "Hi Alex. 10% off. Widget $75 Gadget $75"
    )


def test_html_is_escaped_and_header_slots_and_text_are_not() -> None:
    source = "{{ name }} {{ name | upcase }}"
    done = fill({"name": "<b> & 'c'"}, slots={"subject": source}, html=source, text=source)
    plain = "<b> & 'c' <B> & 'C'"
    assert (done.slots, done.text) == ({"subject": plain}, plain)
    assert done.html == "&lt;b&gt; &amp; &#39;c&#39; &lt;B&gt; &amp; &#39;C&#39;"


def test_a_template_may_say_that_a_value_is_html() -> None:
    assert fill({"note": "<b>x</b>"}, html="{{ note | safe }}").html == "<b>x</b>"


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("{{ a }}{{ b.c }}{{ a }}", ("a", "b")),
        ("{{ given.nope }} {{ given.deep.er }}", ("given.nope", "given.deep.er")),
        ("{% for each in things %}x{% endfor %}", ("things",)),
        ("{{ n | plus: 1 }} {{ 'x' | append: end }}", ("n", "end")),
        ("{% assign later = gone %}{{ later }}", ("gone",)),
        ("{% for i in (1..most) %}x{% endfor %}", ("most",)),
        ("{{ list[7] }}", ("list",)),
        ("{{ gone.size }} {{ gone | size }}", ("gone",)),
    ],
)
def test_all_that_is_missing_is_named(source: str, missing: tuple[str, ...]) -> None:
    variables = {"given": {"deep": {}}, "list": [1]}
    assert fill(variables, text=source).missing == missing


def test_what_is_missing_in_any_part_is_named() -> None:
    done = fill(slots={"subject": "{{ a }}"}, html="{{ b }}", text="{{ c }}", layout=Source(html="{{ d }}"))
    assert sorted(done.missing) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% if coupon %}yes{% else %}no{% endif %}", "no"),
        ("{% unless coupon %}none{% endunless %}", "none"),
        ("{% if plan == 'pro' %}pro{% elsif plan == nil %}nothing{% endif %}", "nothing"),
        ("{{ first_name | default: 'there' }}", "there"),
        ("{{ order.number | default: 'soon' }}", "soon"),
        ("{{ null_value }}|", "|"),
        ("{{ null_value | default: 'x' }}", "x"),
    ],
)
def test_one_may_ask_for_what_is_not_there(source: str, said: str) -> None:
    assert text(source, null_value=None) == said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{first_name|there}}", "there"),
        ("{{ first_name | dear friend }}", "dear friend"),
        ("{{name|there}}", "Ann"),
        ("{{name|upcase}}", "ANN"),
        ("{{- first_name|there -}} ", "there"),
        ("{{person.title|Dr.}}", "Dr."),
        ("{% raw %}{{first_name|there}}{% endraw %}", "{{first_name|there}}"),
        ("{{first_name|}}", ""),
    ],
)
def test_a_fallback_stands_behind_a_bar(source: str, said: str) -> None:
    assert text(source, name="Ann") == said


def test_now_is_the_messages_own() -> None:
    now = "2026-03-04T09:00:00+00:00"
    source = "{{ 'now' | date: '%d.%m.%Y %H:%M' }} {{ now | date: '%Y' }} {{ today }}"
    assert text(source, now=now, today="2026-03-04") == "04.03.2026 09:00 2026 2026-03-04"


def test_numbers_and_words_of_every_language() -> None:
    source = "{{ a }} {{ b }} {{ c }} {{ grüße }}"
    assert text(source, a=1, b=2.5, c=True, grüße="日本 🎉") == "1 2.5 true 日本 🎉"


def test_a_layout_stands_around_each_part() -> None:
    layout = Source(html="<main>{{ content }}</main>{{ foot }}", text="{{ content }}\n-- {{ foot }}")
    done = fill({"foot": "Us & Co"}, html="<p>{{ 'a<' }}</p>", text="a<", layout=layout)
    assert done.html == "<main><p>a<</p></main>Us &amp; Co"
    assert done.text == "a<\n-- Us & Co"


def test_without_variables_places_stay() -> None:
    source = Source(slots={"subject": "{{ a }}"}, html="{{ b }} {% nonsense", text="{{")
    done = run(Render(source, None))
    assert (done.slots["subject"], done.html, done.text) == ("{{ a }}", "{{ b }} {% nonsense", "{{")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("fine\n{% if %}", "line 2: "),
        ("{{ 'a' | nope }}", "unknown filter 'nope'"),
        ("{% nope %}", "unexpected tag 'nope'"),
        ("{% if a %}", "expected tag endif"),
        ("{{ 'x' | slice: 'y' }}", "slice expected"),
    ],
)
def test_what_cannot_be_read_says_where(source: str, why: str) -> None:
    done = fill({"a": 1}, html=source)
    assert (done.problem, done.where) == ("fault", "html")
    assert why in done.why


def test_a_template_tells_what_it_asks_for() -> None:
    source = Source(
        slots={"subject": "{{ order.number }}"},
        html="{% for item in order.items %}{{ item.name }}{{ forloop.index }}{% endfor %}",
        text="{% assign mine = 1 %}{{ mine }}{{first_name|there}}",
    )
    assert run(Examine(source)).names == ("first_name", "order.items", "order.number")


def test_a_filter_that_is_none_is_found_before_anything_is_sent() -> None:
    done = run(Examine(Source(text="{% if a %}{{ b | nope: 1 }}{% endif %}")))
    assert (done.problem, done.where, done.why) == ("fault", "text", "there is no filter 'nope'")


def test_what_is_asked_for_in_alternatives_is_told_too() -> None:
    assert run(Examine(Source(text="{Hi {{a}}|Yo {{b}}}"), spintax=True)).names == ("a", "b")
