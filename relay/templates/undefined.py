"""What a template asks for and was not given: it is noted, and rendering goes on, so that all are named.

A condition may ask whether something is there, and `default` may stand in for
it; whatever is shown, filtered, counted or looped over must be there.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from liquid.undefined import Undefined

_missing: list[str] = []


def begin() -> None:
    """Nothing is missing yet. A child renders one message at a time."""
    _missing.clear()


def missing() -> tuple[str, ...]:
    """The names of what was missing since `begin`, each once."""
    return tuple(dict.fromkeys(_missing))


class Missing(Undefined):
    """Empty, and noted where its value is needed."""

    __slots__ = ()

    @property
    def force_liquid_default(self) -> bool:
        """That `default` takes its own value, without asking for ours."""
        return True

    def note(self) -> None:
        path, is_told, _ = (self.hint or "").partition(" is undefined")
        _missing.append(path if is_told and not path.startswith("'") else self.name)

    def __str__(self) -> str:
        self.note()
        return ""

    def __len__(self) -> int:
        self.note()
        return 0

    def __iter__(self) -> Iterator[Any]:
        self.note()
        return iter(())

    def __int__(self) -> int:
        self.note()
        return 0

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Undefined) or other is None

    def __hash__(self) -> int:
        return hash(self.name)


def noting(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which needs all that it is given; some would take what is missing for nothing."""

    @wraps(filter_)
    def checked(*args: Any, **options: Any) -> Any:
        for given in (*args, *options.values()):
            if isinstance(given, Missing):
                given.note()
        return filter_(*args, **options)

    return checked
