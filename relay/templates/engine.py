"""Liquid within limits. Only plain JSON is passed in, so a template reaches nothing but what it is given.

Files, other templates and attributes do not exist here. In HTML every value is
escaped unless the template says `safe`; elsewhere it stands as it is.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment, Markup, RenderContext
from liquid.builtin.filters.misc import date
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.filter import with_context, with_environment

from relay.templates import limits, undefined
from relay.templates.fallbacks import spelled_out

_NO_TAGS = ("include", "render")  # there is nothing to include


class TemplateFault(ValueError):
    """It cannot be read or rendered; the text says why, and where."""


@with_context
@with_environment
def _date(value: object, form: str, *, context: RenderContext, environment: Environment) -> str:
    """Liquid's filter, whose now is the message's."""
    moment = context.resolve("now", default=value) if value in ("now", "today") else value
    said: str = date(moment, form, environment=environment)
    return said


class _Environment(Environment):
    block_nesting_limit = limits.NESTING
    context_depth_limit = limits.NESTING + 10
    loop_iteration_limit = limits.LOOPS
    local_namespace_limit = limits.NAMESPACE
    output_stream_limit = limits.OUTPUT

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(undefined=undefined.Missing, autoescape=autoescape)
        for name in _NO_TAGS:
            del self.tags[name]
        self.add_filter("date", _date)
        self.filters = {
            name: filter_ if name == "default" else undefined.noting(filter_)
            for name, filter_ in self.filters.items()
        }


_ENVIRONMENTS = {escapes: _Environment(autoescape=escapes) for escapes in (False, True)}


def rendered(source: str, values: Mapping[str, Any], *, escape: bool) -> str:
    """The source with its places filled; raises TemplateFault. What was missing `undefined.missing` tells."""
    try:
        return _parsed(source, escape).render(dict(values))
    except ResourceLimitError as error:
        raise TemplateFault(f"goes beyond a limit: {error.message}") from error
    except LiquidError as error:
        raise TemplateFault(_told(error)) from error
    except MemoryError:
        raise
    except Exception as error:
        # Filters are given whatever a template makes up; the library does not foresee all of it.
        raise TemplateFault(f"cannot be rendered: {type(error).__name__}") from error


def names_in(source: str, *, escape: bool) -> tuple[str, ...]:
    """The variables that it asks for, sorted; raises TemplateFault."""
    try:
        found = _parsed(source, escape).analyze(include_partials=False)
    except LiquidError as error:
        raise TemplateFault(_told(error)) from error
    except MemoryError:
        raise
    except Exception as error:
        raise TemplateFault(f"cannot be read: {type(error).__name__}") from error
    if unknown := found.filters.keys() - _ENVIRONMENTS[escape].filters.keys():
        raise TemplateFault(f"there is no filter {sorted(unknown)[0][:100]!r}")
    return tuple(sorted({str(variable) for variables in found.globals.values() for variable in variables}))


def ready_made(html: str) -> str:
    """HTML that is put into other HTML as it is."""
    return Markup(html)


@lru_cache(maxsize=32)
def _parsed(source: str, escape: bool) -> BoundTemplate:
    environment = _ENVIRONMENTS[escape]
    try:
        return environment.from_string(spelled_out(source, environment.filters))
    except RecursionError as error:
        raise TemplateFault("is nested too deep") from error


def _told(error: LiquidError) -> str:
    """One line: what is wrong, and on which line of the source."""
    cause = error.__cause__
    text = str(error.message or type(error).__name__)
    if cause is not None and not isinstance(cause, LiquidError):
        text = f"{text} ({type(cause).__name__})"
    place = error.context()
    where = f"line {place[0]}: " if place else ""
    return f"{where}{' '.join(text.split())[:300]}"
