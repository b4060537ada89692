"""Read the configuration: the file, then the environment over it, then what the caller overrides.

Everything is looked at before anything is complained about, so that one run
of `config check` shows every mistake.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relay.config.checks import check_together
from relay.config.errors import ConfigError, Problem
from relay.config.keys import KeySpec, keys_of, sections_of
from relay.config.lines import lines_of_keys
from relay.config.sections import Config

KEYS: Mapping[str, KeySpec] = keys_of(Config)
SECTIONS = sections_of(Config)
ENVIRONMENT_PREFIX = "POSTHOUSE__"
FROM_FILE = "__FILE"
SYSTEM_FILE = Path("/etc/posthouse/config.toml")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was set: the file and line, the variable's name, or the caller."""

    kind: Literal["default", "file", "environment", "command line"]
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.name}:{self.line}" if self.line else self.name
        return self.name or self.kind


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it comes from. `file` is None when no file was found."""

    config: Config
    file: Path | None
    sources: Mapping[str, Source]


def find_config(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The file to read: `explicit`, $POSTHOUSE_CONFIG, ./config.toml, /etc/posthouse/config.toml.

    A file that was named must be there (ConfigError); where none was named
    and none is found, the answer is None and the defaults stand.
    """
    environ = os.environ if environ is None else environ
    named = explicit or (Path(environ["POSTHOUSE_CONFIG"]) if environ.get("POSTHOUSE_CONFIG") else None)
    if named is not None:
        return named.absolute()
    candidates = (Path("config.toml").absolute(), SYSTEM_FILE)
    return next((path for path in candidates if path.exists()), None)


def load_config(
    explicit: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """The effective configuration, whole and checked; ConfigError names every problem.

    `overrides` maps `section.key` to values as TOML would hold them.
    """
    environ = os.environ if environ is None else environ
    file = find_config(explicit, environ)
    reading = _Reading(file.parent if file else Path.cwd())
    if file is not None:
        reading.take_file(file)
    reading.take_environment(environ)
    for name, raw in (overrides or {}).items():
        reading.take(name, raw, Source("command line"))
    return Loaded(reading.finish(), file, reading.sources)


def build_config(values: Mapping[str, object] | None = None, *, base: Path) -> Config:
    """A configuration from `section.key` → value as in TOML, paths relative to `base`; no file is read."""
    reading = _Reading(base)
    for name, raw in (values or {}).items():
        reading.take(name, raw, Source("command line"))
    return reading.finish()


def nearest_key(name: str, known: Iterable[str] = KEYS) -> str | None:
    """The known key that `name` was probably meant to be."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.7)), None)


@dataclass(slots=True)
class _Reading:
    """Values as they are collected; a later source wins over an earlier one."""

    base: Path
    raw: dict[str, object] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def take_file(self, file: Path) -> None:
        try:
            text = file.read_text("utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            raise ConfigError([Problem(error.strerror or str(error), where=str(file))]) from None
        except ValueError as error:  # not UTF-8, or not TOML; its text has the line
            raise ConfigError([Problem(str(error), where=str(file))]) from None
        places = lines_of_keys(text)
        for name, raw in self._flat(document, file, places):
            line = places.get(name) or places.get(name.rpartition(".")[0])
            self.take(name, raw, Source("file", str(file), line))

    def _flat(
        self, document: Mapping[str, Any], file: Path, places: Mapping[str, int]
    ) -> Iterable[tuple[str, object]]:
        for section, table in document.items():
            if section in SECTIONS and isinstance(table, dict):
                yield from ((f"{section}.{key}", raw) for key, raw in table.items())
                continue
            text = "a section is a table" if section in SECTIONS else "unknown section"
            near = None if section in SECTIONS else nearest_key(section, SECTIONS)
            self.problems.append(Problem(text, section, str(file), places.get(section), near))

    def take_environment(self, environ: Mapping[str, str]) -> None:
        for variable in sorted(environ):
            if not variable.startswith(ENVIRONMENT_PREFIX):
                continue
            source = Source("environment", variable)
            name = (
                variable.removeprefix(ENVIRONMENT_PREFIX).removesuffix(FROM_FILE).lower().replace("__", ".")
            )
            try:
                text = _text_of(variable, environ[variable])
            except (OSError, UnicodeDecodeError) as error:
                self._complain(name, str(error), source)
                continue
            self.take(name, _from_environment(KEYS.get(name), text), source)

    def take(self, name: str, raw: object, source: Source) -> None:
        if name in KEYS:
            self.raw[name], self.sources[name] = raw, source
        else:
            self._complain(name, "unknown key", source, nearest_key(name))

    def finish(self) -> Config:
        """The frozen whole; raises ConfigError when anything is amiss."""
        sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for name, spec in KEYS.items():
            section, _, key = name.partition(".")
            source = self.sources.setdefault(name, Source("default"))
            try:
                value = spec.read(self.raw.get(name, spec.write(spec.default)), self.base)
            except ValueError as error:
                self._complain(name, str(error), source)
                value = spec.default
            sections[section][key] = value
        parts: dict[str, Any] = {name: SECTIONS[name](**fields) for name, fields in sections.items()}
        config = Config(**parts)
        for name, text in check_together(config):
            self._complain(name, text, self.sources[name])
        if self.problems:
            raise ConfigError(self.problems)
        return config

    def _complain(self, name: str, text: str, source: Source, nearest: str | None = None) -> None:
        self.problems.append(Problem(text, name, source.name or None, source.line, nearest))


def _text_of(variable: str, value: str) -> str:
    """The value itself, or what the file holds that `…__FILE` names: a secret as a systemd credential."""
    if not variable.endswith(FROM_FILE):
        return value
    return Path(value).read_text("utf-8").rstrip("\r\n")


def _from_environment(spec: KeySpec | None, text: str) -> object:
    """JSON where the key wants more than a text; a lone text is a list of one."""
    if spec is None or (spec.wants_text and not text.startswith('"')):
        return text
    try:
        value: object = json.loads(text)
    except ValueError:
        value = text
    return [value] if spec.is_list and not isinstance(value, list) else value
