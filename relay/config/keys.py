"""What a key of the configuration is: how its value reads, why it exists, what a reload does.

A field of a section is `Annotated[type, Kind, Key]`: the kind reads and writes
one value, the key says the reason. A type without a kind is checked by msgspec.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from relay.config.values import Secret, SecretUrl


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of writing a value: `name` is for the documentation, `read` raises ValueError."""

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Key:
    """Why a key exists, in one line; whether SIGHUP is enough to change it."""

    why: str
    reload: bool = False


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key, taken apart. `name` is `section.key`."""

    name: str
    hint: Any
    default: Any
    key: Key
    kind: Kind | None

    @property
    def is_list(self) -> bool:
        return get_origin(_bare(self.hint)) is tuple

    @property
    def is_table(self) -> bool:
        return get_origin(_bare(self.hint)) is dict

    @property
    def wants_text(self) -> bool:
        """Whether the value is one text, so that an environment variable needs no quotes."""
        if self.is_list or self.is_table:
            return False
        return self.kind is not None or isinstance(self.default, str)

    def read(self, raw: object, base: Path) -> Any:
        """The value that `raw` (as TOML gives it) stands for; ValueError says what is wrong.

        A relative path is one below `base`.
        """
        if self.kind is not None and self.is_list:
            if not isinstance(raw, list):
                raise ValueError(f"a list is needed, {_type_name(raw)} is given")
            return tuple(self._read_text(self.kind, item, base) for item in raw)
        if self.kind is not None:
            return self._read_text(self.kind, raw, base)
        try:
            value = msgspec.convert(raw, self.hint)
        except msgspec.ValidationError as error:
            raise ValueError(_in_our_words(error)) from None
        return {**self.default, **value} if self.is_table else value

    def write(self, value: Any) -> Any:
        """The value as TOML holds it; passwords in URLs become `***`."""
        if self.kind is not None:
            written = tuple(map(self.kind.write, value)) if self.is_list else self.kind.write(value)
        else:
            written = msgspec.to_builtins(value)
        return list(written) if self.is_list else written

    @staticmethod
    def _read_text(kind: Kind, raw: object, base: Path) -> Any:
        if not isinstance(raw, str):
            raise ValueError(f"{kind.name} in quotes is needed, {_type_name(raw)} is given")
        value = kind.read(raw)
        return base / value if isinstance(value, Path) else value


def keys_of(config_type: type[Struct]) -> Mapping[str, KeySpec]:
    """Every key of every section, in the order in which they are written down."""
    found: dict[str, KeySpec] = {}
    for section, section_type in sections_of(config_type).items():
        for spec in _keys_of_section(section, section_type):
            found[spec.name] = spec
    return found


def sections_of(config_type: type[Struct]) -> Mapping[str, type[Struct]]:
    return get_type_hints(config_type)


def _keys_of_section(section: str, section_type: type[Struct]) -> Iterator[KeySpec]:
    hints = get_type_hints(section_type, include_extras=True)
    for field in msgspec.structs.fields(section_type):
        hint = hints[field.name]
        marks = _marks(hint)
        [key] = [mark for mark in marks if isinstance(mark, Key)]
        kind = next((mark for mark in marks if isinstance(mark, Kind)), None)
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        yield KeySpec(f"{section}.{field.name}", hint, default, key, kind)


def _marks(hint: Any) -> list[object]:
    """The annotations of a field, and those of the items where it is a list."""
    marks = list(hint.__metadata__) if get_origin(hint) is Annotated else []
    if get_origin(_bare(hint)) is tuple:
        marks += _marks(get_args(_bare(hint))[0])
    return marks


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _in_our_words(error: msgspec.ValidationError) -> str:
    text = str(error)
    for theirs, ours in (("Expected", "expected"), ("`str`", "text in quotes"), ("Object", "table")):
        text = text.replace(theirs, ours)
    return text


def _type_name(raw: object) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(raw), "a table")


def write_secret(value: SecretUrl | Secret) -> str:
    return value.redacted()
