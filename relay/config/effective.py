"""Show a configuration: what holds, who set it, and what a reload would change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from relay.config.load import KEYS, Loaded, Source
from relay.config.sections import Config


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as it holds. `value` is as TOML would hold it, passwords left out."""

    key: str
    value: Any
    source: Source


@dataclass(frozen=True, slots=True)
class Change:
    """A key that differs between two configurations. `needs_restart` when SIGHUP is not enough."""

    key: str
    needs_restart: bool


def effective(loaded: Loaded) -> list[Setting]:
    """Every key in the order of the documentation, with its source."""
    return [
        Setting(name, spec.write(_value(loaded.config, name)), loaded.sources[name])
        for name, spec in KEYS.items()
    ]


def changes(old: Config, new: Config) -> Iterator[Change]:
    """The keys whose values differ."""
    for name, spec in KEYS.items():
        if _value(old, name) != _value(new, name):
            yield Change(name, needs_restart=not spec.key.reload)


def _value(config: Config, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(config, section), key)
