"""Read what a client sent, strictly: what cannot be meant is a 400 or a 422, never a fault of ours.

msgspec decodes into the type; what it lets pass is looked at beside it: names
that stand twice in an object, numbers beyond 64 bits, U+0000 (no store keeps
it everywhere). Nesting and numbers of values that only an attack has are
refused before: whatever is decoded holds up everybody else meanwhile.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from api.problems import FieldError, Problem, invalid
from api.shapes import Body

S = TypeVar("S", bound=Struct)
B = TypeVar("B", bound=Body)

DEEPEST = 64
MOST_VALUES = 100_000
MOST_PARAMETERS = 100
LONGEST_NAME = 100
_FIELD = re.compile(r"Object (?:contains unknown|missing required) field `(?P<name>.*)`\Z", re.DOTALL)
_PLACE = re.compile(r"(?P<message>.*) - at `(?P<path>.*)`\Z", re.DOTALL)
# The last one may lack its end: looking for it again from each quote would take quadratic time.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+', re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ARRAY = re.compile(rb"[ \t\r\n]*+\[")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(octet for octet in range(256) if octet not in b"[]{}")


def decode_body(body: bytes, wanted: type[B]) -> B:
    """The document as `wanted`; an empty body is an empty object. Raises Problem (400, 422)."""
    body = body or b"{}"
    _check_structure(body)
    try:
        decoded = msgspec.json.decode(_whole(body, wanted), type=wanted)
    except msgspec.ValidationError as error:
        _check_well_formed(body)
        raise _located(str(error).replace(f"`$.{wanted.is_list_of}", "`$"), "$") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(str(error)) from error
    _check_well_formed(body)
    if not wanted.has_parts:
        check_for_nul(body, "$")
    return decoded


def is_list(body: bytes) -> bool:
    """Whether the document is an array."""
    return _ARRAY.match(body) is not None


def _whole(body: bytes, wanted: type[Body]) -> bytes:
    """The object that a list alone stands for."""
    return body if wanted.is_list_of is None else b'{"%s":%s}' % (wanted.is_list_of.encode(), body)


def decode_part(part: bytes, wanted: type[S], path: str) -> S:
    """A raw part of a body that was decoded, and stands at `path`. Raises Problem (422)."""
    check_for_nul(part, path)
    try:
        return msgspec.json.decode(part, type=wanted)
    except msgspec.ValidationError as error:
        raise _located(str(error), path) from error


def check_for_nul(part: bytes, path: str) -> None:
    """Raise Problem (422) for a character that no store keeps everywhere."""
    if b"\\u0000" in part and _NUL.search(part):
        raise invalid(path, "U+0000 cannot be meant")


def decode_query(query: bytes, wanted: type[S]) -> S:
    """What stands behind `?`, as `wanted`. Raises Problem (422)."""
    if not query:
        nothing: S = _nothing_said(wanted)
        return nothing
    lists = _lists_of(wanted)
    values: dict[str, Any] = {}
    for name, value in _pairs(query):
        if "\0" in name or "\0" in value:
            raise invalid(f"?{name}", "U+0000 cannot be meant")
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise invalid(f"?{name}", "stands twice")
        else:
            values[name] = value
    return _converted(values, wanted)


def _converted(values: Mapping[str, Any], wanted: type[S]) -> S:
    try:
        converted: S = msgspec.convert(values, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _located(str(error), "?") from error
    return converted


@cache
def _nothing_said(wanted: type[S]) -> S:
    return _converted({}, wanted)


@cache
def _lists_of(wanted: type[Struct]) -> frozenset[str]:
    """The names that may stand several times."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(wanted) if _is_list(field.type))


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:  # UnicodeDecodeError among them
        raise invalid("?", "the query is not percent-encoded UTF-8, or too long") from error


def _is_list(hint: Any) -> bool:
    kind = msgspec.inspect.type_info(hint)
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    options = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    lists = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType)
    return any(isinstance(option, lists) for option in options)


def _check_structure(body: bytes) -> None:
    """Raise Problem (400) for more values, or deeper ones, than any request of ours has."""
    brackets = _few(body, b"[") + _few(body, b"{")
    if brackets < DEEPEST and (len(body) <= MOST_VALUES or body.count(b",") <= MOST_VALUES):
        return
    bare, strings = _STRING.subn(b"", body, count=MOST_VALUES + 1)
    if strings > MOST_VALUES or bare.count(b",") > MOST_VALUES:
        raise _malformed(f"it holds more than {MOST_VALUES} values")
    _check_depth(bare)


def _few(body: bytes, octet: bytes) -> int:
    """How often the octet stands there, DEEPEST for more: looking for a few is quicker than counting."""
    at = body.find(octet)
    for found in range(DEEPEST):
        if at < 0:
            return found
        at = body.find(octet, at + 1)
    return DEEPEST


def _check_depth(bare: bytes) -> None:
    brackets = bare.translate(None, _NO_BRACKETS).translate(_BRACKETS)
    for _ in range(DEEPEST):  # each round takes the innermost away
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise _malformed(f"it is nested deeper than {DEEPEST}, or its brackets do not match")


def _check_well_formed(body: bytes) -> None:
    """Raise Problem for what msgspec lets pass, and 400 for what is not JSON behind the first mistake."""
    try:
        _READER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise _malformed(str(error)) from error


def _once_each(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{name!r} stands twice in one object")
    return found


def _sane_int(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= int(text) < 1 << 63:
        raise invalid("$", "a number is beyond 64 bits")
    return 0


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


# Kept, because making one costs more than reading a short body with it.
_READER = json.JSONDecoder(object_pairs_hook=_once_each, parse_int=_sane_int, parse_constant=_no_constant)


def _malformed(why: str) -> Problem:
    return Problem(400, "malformed_json", f"The body cannot be read as JSON: {_sayable(why)}")


def _located(text: str, root: str) -> Problem:
    """msgspec's words, apart from the place that they name; a field too many or too few is its own place."""
    found = _PLACE.match(text)
    message, path = (found["message"], found["path"]) if found else (text, "$")
    path = path.removeprefix("$")
    if named := _FIELD.match(message):
        path = f"{path}.{named['name'][:LONGEST_NAME]}"
    path = _sayable(root + (path.removeprefix(".") if root == "?" else path))
    message = _sayable(message)
    return Problem(422, "validation_error", f"{path}: {message}", errors=[FieldError(path, message)])


def _sayable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:500]
