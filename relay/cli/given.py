"""What a command was given to change: a new value, nothing any more, or nothing at all."""

from typing import Any

import click
from msgspec import UNSET


def or_none(given: dict[str, Any], name: str, taken_away: str) -> Any:
    """The value, None where the flag takes it away, UNSET where neither is given."""
    if given[taken_away]:
        if given[name] is not None:
            raise click.UsageError(f"--{taken_away.replace('_', '-')} excludes a new value")
        return None
    return UNSET if given[name] is None else given[name]


def or_empty(given: dict[str, Any], name: str, taken_away: str) -> Any:
    """The values, none where the flag takes them away, UNSET where neither is given."""
    if given[taken_away]:
        if given[name]:
            raise click.UsageError(f"--{taken_away.replace('_', '-')} excludes new ones")
        return ()
    return given[name] or UNSET
