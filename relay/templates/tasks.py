"""What a rendering child does: fill in a message, or look a template over."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from relay.templates import engine, limits, markup, spintax, undefined
from relay.templates.engine import TemplateFault
from relay.templates.markup import MarkupFault
from relay.templates.questions import Examine, Problem, Render, Rendered, Task
from relay.templates.spintax import TooMuchSpintax

R = TypeVar("R")

_ESCAPED = ("html", "mjml")


class _OutOfTime(BaseException):
    """The processor time of one message is used up; no `except Exception` on the way keeps it."""


class _At(Exception):
    """What is wrong with one part."""

    def __init__(self, where: str, problem: Problem, why: str) -> None:
        super().__init__(why)
        self.said = Rendered(problem=problem, where=where, why=why)


def run(task: Task) -> Rendered:
    """Do it, in a child; raises MemoryError."""
    try:
        with _budget():
            return _fill(task) if isinstance(task, Render) else _look_over(task)
    except _At as error:
        return error.said
    except _OutOfTime:
        return Rendered(problem="time", why=f"takes more than {limits.CPU_SECONDS:g} s")


def _fill(task: Render) -> Rendered:
    undefined.begin()
    source = task.source
    slots = {name: _filled(task, name, text).strip() for name, text in source.slots.items()}
    text = _with_layout(task, "text", source.text)
    html = _with_layout(task, "html", source.html)
    if source.mjml is not None:
        html = _made("mjml", markup.html_of_mjml, _with_layout(task, "mjml", source.mjml) or "")
    if html is not None and (source.inline_css or (source.layout and source.layout.inline_css)):
        html = _made("inline_css", markup.inlined, html)
    return Rendered(slots=slots, html=html, text=text, missing=undefined.missing())


def _with_layout(task: Render, part: str, own: str | None) -> str | None:
    """A part of the message, inside that part of its layout."""
    if own is None:
        return None
    content = _filled(task, part, own)
    around: str | None = getattr(task.source.layout, part, None)
    if around is None:
        return content
    inside = engine.ready_made(content) if part in _ESCAPED else content
    return _filled(task, part, around, {"content": inside})


def _filled(task: Render, part: str, source: str, extra: Mapping[str, str] | None = None) -> str:
    if task.seed is not None:
        source = _made(part, partial(spintax.spun, seed=task.seed), source)
    if task.variables is None and extra is None:
        return source
    values = {**(task.variables or {}), **(extra or {})}
    return _made(part, partial(engine.rendered, values=values, escape=part in _ESCAPED), source)


def _look_over(task: Examine) -> Rendered:
    source = task.source
    names: set[str] = set()
    parts = {**source.slots, "html": source.html, "mjml": source.mjml, "text": source.text}
    for part, said in parts.items():
        if said is None:
            continue
        if task.spintax:
            said = _made(part, partial(spintax.spun, seed=None), said)
        names.update(_made(part, partial(engine.names_in, escape=part in _ESCAPED), said))
    return Rendered(names=tuple(sorted(names)))


def _made(part: str, make: Callable[[str], R], source: str) -> R:
    """What `make` makes of it; raises _At where it cannot."""
    try:
        return make(source)
    except (TemplateFault, TooMuchSpintax, MarkupFault) as error:
        raise _At(part, "fault", str(error)) from error
    except ImportError as error:
        raise _At(part, "not_installed", str(error)) from error


@contextmanager
def _budget() -> Iterator[None]:
    """So much processor time; what cannot be interrupted ends with the turn of the child."""

    def stop(number: int, frame: object) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limits.CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
