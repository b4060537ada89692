"""Templates that mean harm: each is answered within the limits, and who renders them goes on.

They run in the child that is shipped. The budget of processor time is the
limit; that of the clock is generous, because the machine may be busy.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.clock import SystemClock
from relay.templates import limits
from relay.templates.questions import Examine, Render, Rendered, Source
from relay.templates.rendering import AT_ONCE, REST_SECONDS, TRIES, Renderer
from tests.fakes.clock import FakeClock

HARMLESS = Render(Source(text="Hi {{ name }}"), {"name": "Ann"})
ENDLESS = Render(Source(text="{% for i in (1..10000) %}{{ i | times: 7 }}{% endfor %}" * 400), {})
WORDS = {"x": "y" * 1000, "many": "y " * 250_000, "list": list(range(5000)), "a": "text"}

# What is refused at once, or within the second that a message has.
REFUSED: dict[str, str] = {
    "huge range": "{% for i in (1..1000000000) %}x{% endfor %}",
    "nested ranges": "{% for i in (1..200) %}{% for j in (1..200) %}x{% endfor %}{% endfor %}",
    "huge table": "{% tablerow i in (1..1000000000) %}x{% endtablerow %}",
    "nested list": "{% for i in list %}{% for j in list %}x{% endfor %}{% endfor %}",
    "many loops": "{% for i in (1..10000) %}x{% endfor %}" * 5000,
    "range as text": "{{ (1..100000000000000) | join: '' }}",
    "deep blocks": "{% if true %}" * 1000 + "{% endif %}" * 1000,
    "deep brackets": "{{ a" + "[a" * 50_000 + "]" * 50_000 + " }}",
    "doubling": "{% assign b = 'xxxxxxxx' %}" + "{% assign b = b | append: b %}" * 60 + "{{ b }}",
    "replacing": "{{ x" + " | replace: 'y', x" * 6 + " }}",
    "splitting": "{% assign b = many | split: ' ' %}" + "{% assign b = b | concat: b %}" * 30,
    "squares": "{% assign n = 999999999 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
    "large capture": "{% capture c %}{% for i in (1..10000) %}" + "x" * 500 + "{% endfor %}{% endcapture %}",
    "large output": "{% for i in (1..10000) %}" + "x" * 1000 + "{% endfor %}",
    "cycling": "{% for i in (1..10000) %}{% cycle x, many %}{% endfor %}",
    "never closed": "{{" * 100_000,
    "raw without end": "{% raw %}" * 20_000,
    "a file": "{% include '/etc/passwd' %}",
    "a template of somebody": "{% render 'others' %}",
    "a parent": "{% extends 'base' %}",
    "an import": "{% import os %}{{ os.environ }}",
    "a macro": "{% macro x %}{% endmacro %}",
}
# What would be found if values were Python's objects.
ATTRIBUTES = (
    "{{ a.__class__ }}",
    "{{ a['__class__']['__mro__'] }}",
    "{{ list.append }}",
    "{{ x.upper }}",
    "{{ list.__len__ }}",
    "{{ a.format }}",
    "{{ forloop.__init__ }}",
    "{{ self }}",
    "{{ context }}",
    "{{ globals }}",
    "{{ __builtins__ }}",
    "{% for i in list %}{{ forloop.__class__ }}{% endfor %}",
    "{% for i in list %}{{ forloop.name.__globals__ }}{% endfor %}",
    "{{ a | map: '__class__' }}",
    "{{ a | where: '__class__', 'x' | first }}{{ a.__doc__ }}",
)
# What only the end of its child, or its deadline, ends.
DEADLY = {
    "deep mjml": Source(
        mjml="<mjml><mj-body>" + "<mj-wrapper>" * 20_000 + "</mj-wrapper>" * 20_000 + "</mj-body></mjml>"
    ),
    "many styles": Source(
        html="<style>"
        + "".join(f".a{n} .b{n} .c, div *{{color:red}}" for n in range(3000))
        + "</style>"
        + '<div class="a1 b1 c">' * 3000,
        inline_css=True,
    ),
}


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    renderer = Renderer(SystemClock())
    yield renderer
    await renderer.close()


async def test_hostile_templates_are_refused_within_their_limits(renderer: Renderer) -> None:
    for name, source in REFUSED.items():
        done = await renderer.ask("ten_1", Render(Source(text=source), WORDS))
        assert done.problem in ("fault", "time", "memory"), f"{name}: {str(done)[:300]}"
        assert done.why, name
        assert (await renderer.ask("ten_1", HARMLESS)).text == "Hi Ann", name


async def test_hostile_templates_are_looked_over_within_their_limits(renderer: Renderer) -> None:
    for name, source in REFUSED.items():
        done = await renderer.ask("ten_1", Examine(Source(text=source)))
        assert done.problem in ("", "fault", "time", "memory"), name
        assert (await renderer.ask("ten_1", HARMLESS)).text == "Hi Ann", name


async def test_nothing_is_reached_but_what_was_given(renderer: Renderer) -> None:
    for source in ATTRIBUTES:
        done = await renderer.ask("ten_1", Render(Source(text=source, html=source), WORDS))
        assert not (done.text or "").strip(), (source, done.text)
        assert not (done.html or "").strip(), (source, done.html)
        told = done.why + "".join(done.missing)
        assert not any(word in told for word in ("<class", "built-in", "object at", "root:")), (source, told)


@pytest.mark.parametrize("name", DEADLY)
async def test_what_ends_or_outlasts_its_child_harms_nobody_else(name: str) -> None:
    renderer = Renderer(SystemClock(), wall_seconds=3)
    try:
        neighbours = [renderer.ask(f"ten_{number}", HARMLESS) for number in range(3)]
        done, *others = await asyncio.gather(renderer.ask("ten_x", Render(DEADLY[name], {})), *neighbours)
        assert done.problem in ("", "fault", "time", "memory")
        assert [other.text for other in others] == ["Hi Ann"] * 3
    finally:
        await renderer.close()


async def test_the_event_loop_goes_on_while_a_template_takes_its_time(renderer: Renderer) -> None:
    await renderer.ask("ten_1", HARMLESS)
    asked = asyncio.ensure_future(renderer.ask("ten_1", ENDLESS))
    turns, longest, before = 0, 0.0, time.thread_time()
    while not asked.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        turns, longest, before = turns + 1, max(longest, now - before), now
    assert (await asked).problem == "time"
    assert turns > 100
    # Of this thread's own time, so that a busy machine does not count.
    assert longest < limits.CPU_SECONDS / 4


async def test_the_clock_is_not_what_a_message_is_measured_by(renderer: Renderer) -> None:
    done = await renderer.ask("ten_1", ENDLESS)
    assert done == Rendered(problem="time", why=f"takes more than {limits.CPU_SECONDS:g} s")
    assert len(renderer.pids) == 1  # it was stopped, not killed


async def test_what_came_to_no_end_is_not_tried_again_for_a_minute() -> None:
    clock = FakeClock()
    renderer = Renderer(clock)
    try:
        answers = [await renderer.ask("ten_1", ENDLESS) for _ in range(TRIES + 2)]
        assert [answer.why.startswith("came to no end") for answer in answers] == [False] * TRIES + [True] * 2
        # Others may use the same words, and the tenant other ones.
        assert not (await renderer.ask("ten_2", ENDLESS)).why.startswith("came to no end")
        assert (await renderer.ask("ten_1", HARMLESS)).text == "Hi Ann"
        clock.advance(timedelta(seconds=REST_SECONDS))
        assert not (await renderer.ask("ten_1", ENDLESS)).why.startswith("came to no end")
    finally:
        await renderer.close()


async def test_a_tenant_waits_for_its_own_and_not_for_anothers(renderer: Renderer) -> None:
    await renderer.ask("ten_2", HARMLESS)
    slow: list[Any] = [
        asyncio.ensure_future(renderer.ask("ten_1", Render(ENDLESS.source, {"n": n})))
        for n in range(2 * AT_ONCE + 1)
    ]
    await asyncio.sleep(0)
    assert (await renderer.ask("ten_2", HARMLESS)).text == "Hi Ann"
    finished = [task for task in slow if task.done() and not task.result().why.startswith("came to no end")]
    assert len(finished) <= AT_ONCE
    answers = await asyncio.gather(*slow)
    assert {answer.problem for answer in answers} == {"time"}


async def test_what_a_template_leaves_is_no_file(renderer: Renderer, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush")
    for tag in ("include", "render", "extends", "layout"):
        for name in (str(file), f"../../../..{file}", file.as_uri()):
            done = await renderer.ask("ten_1", Render(Source(text=f"{{% {tag} '{name}' %}}"), {}))
            assert done.problem == "fault"
            assert "hush" not in str(done)
