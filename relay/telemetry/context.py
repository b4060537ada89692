"""The ids that every log line of a piece of work carries: session, message, request.

They travel in a context variable, so a task and all that it starts share them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[Mapping[str, str]] = ContextVar("posthouse_log_ids")


def current_ids() -> Mapping[str, str]:
    return _ids.get({})


@contextmanager
def log_ids(**ids: str) -> Iterator[None]:
    """Within the block every log line carries `ids`, beside those that it carries already."""
    token = _ids.set({**current_ids(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def bind_ids(**ids: str) -> None:
    """From here to the end of this task every log line carries `ids`."""
    _ids.set({**current_ids(), **ids})
