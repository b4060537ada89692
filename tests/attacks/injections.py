"""Texts that become more than a text where somebody is careless, and every place of a request for them."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

EVIL = "evil@injected.example"
_BCC = f"Bcc: {EVIL}"
_FIELD = "X-Injected: 1"

PAYLOADS = (
    f"a\r\n{_BCC}",
    f"a\n{_BCC}",
    f"a\r{_BCC}",
    f"\r\n{_BCC}\r\n",
    f"a\r\n\r\n<script>{EVIL}</script>",
    f"a\n\n{_FIELD}",
    f"a\r\n {_FIELD}",
    f"a\r\n\t{_FIELD}",
    f"a\r\n.\r\nMAIL FROM:<{EVIL}>\r\nRCPT TO:<{EVIL}>\r\nDATA",
    f"a\x00\r\n{_BCC}",
    f"a\x0b{_BCC}",
    f"a\x0c{_BCC}",
    f"a\x85{_BCC}",
    f"a\u2028{_BCC}",
    f"a\u2029{_BCC}",
    f"a\u560d\u560a{_BCC}",  # their low octets are CR and LF
    f"a\ufeff\r\n{_BCC}",
    f"a%0d%0a{_BCC}",
    f"a\\r\\n{_BCC}",
    f"=?utf-8?q?a=0d=0aBcc:_{EVIL.replace('@', '=40')}?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQGluamVjdGVkLmV4YW1wbGU=?=",
    f"=?utf-8?q?a?=\r\n{_BCC}",
    f'"a\r\n{_BCC}"',
    f'a"\r\n{_BCC}\r\n"',
    f"ann@far.example, {EVIL}",
    f"ann@far.example>, <{EVIL}",
    f"Ann <ann@far.example>, Evil <{EVIL}>",
    f"group: ann@far.example, {EVIL};",
    f"ann@far.example (\r\n{_BCC})",
    f"ann@far.example\x00{EVIL}",
    f'a"; filename="evil.exe\r\n{_FIELD}',
    f"utf-8''a%0d%0a{_FIELD}",
    f"text/plain;\r\n {_FIELD}",
    f"text/plain; charset=x\r\n\r\n--=_\r\n{_FIELD}",
    f"a>\r\n{_FIELD}",
    f"{'x' * 998}\r\n{_FIELD}",
    f"a\ud800\r\n{_BCC}",
    "Bcc",
    _FIELD,
    f"a\x1b\x7f\x08{_BCC}\x9b",
)

# What else a struct needs, or has, when one of its fields is tried.
_BESIDE: dict[str, dict[str, Any]] = {
    "Named": {"address": "bob@far.example"},
    "NewAttachment": {"filename": "a.txt", "content": "eA=="},
}
_INSTEAD = {"email": "address"}

Path = tuple[str, ...]


def places(shape: type[msgspec.Struct]) -> list[Path]:
    """Every place of the document for a text, each with how it is come to there."""
    return [path for path, _ in _walk(inspect.type_info(shape), ())]


def documents(shape: type[msgspec.Struct], payload: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """One document for each place, with the payload there and nothing else but what that needs."""
    for path, make in _walk(inspect.type_info(shape), ()):
        yield path, make(payload)


def _walk(kind: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    match kind:
        case inspect.Metadata():
            yield from _walk(kind.type, path)
        case inspect.UnionType():
            for each in kind.types:
                yield from _walk(each, path)
        case inspect.StrType() | inspect.BytesType() | inspect.DateTimeType() | inspect.LiteralType():
            yield path, lambda payload: payload
        case inspect.ListType() | inspect.VarTupleType():
            for inner, make in _walk(kind.item_type, (*path, "[]")):
                yield inner, lambda payload, make=make: [make(payload)]
        case inspect.DictType():
            yield (*path, "{name}"), lambda payload: {payload: "v"}
            for inner, make in _walk(kind.value_type, (*path, "{value}")):
                yield inner, lambda payload, make=make: {"k": make(payload)}
        case inspect.StructType():
            yield from _fields(kind, path)


def _fields(kind: inspect.StructType, path: Path) -> Iterator[tuple[Path, Any]]:
    for field in kind.fields:
        name = field.encode_name
        beside = dict(_BESIDE.get(kind.cls.__name__, {}))
        beside.pop(_INSTEAD.get(name, name), None)
        for inner, make in _walk(field.type, (*path, name)):
            yield inner, lambda payload, make=make, name=name, beside=beside: {**beside, name: make(payload)}
