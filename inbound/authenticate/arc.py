"""Through whose hands a message went: its ARC chain (RFC 8617 §5.2).

Pure, and run in the reading child: keys are given. A chain that passes says
only that its sealers stand by what they wrote; whom to believe is decided
elsewhere. A chain that is broken anywhere is `fail` as a whole.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from inbound.authenticate.dkim import fields_of
from inbound.authenticate.results import ArcResult, Verdict, plain
from inbound.authenticate.signature import (
    Body,
    RawField,
    Signature,
    SignatureFault,
    check,
    check_body,
    check_tags,
    raw_field,
    read_signature,
)
from relay.message.headers import Field

MAX_INSTANCES = 50
_RESULTS, _MESSAGE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
_NAMES = (_RESULTS, _MESSAGE, _SEAL)
_OF_SET = [name.encode() for name in _NAMES]
_INSTANCE = re.compile(rb"[\s]{0,80}i[ \t]{0,8}=[ \t]{0,8}([0-9]{1,3})\s{0,80};")
_REQUIRED_OF_MESSAGE = (b"i", b"a", b"b", b"bh", b"d", b"h", b"s")
_REQUIRED_OF_SEAL = (b"i", b"a", b"b", b"cv", b"d", b"s")


class _Set(NamedTuple):
    """The three fields of one instance."""

    results: RawField
    message: Signature
    seal: Signature

    @property
    def fields(self) -> list[RawField]:
        return [self.results, self.message.field, self.seal.field]


def verify_chain(header: bytes, body: bytes | Body, keys: Mapping[str, bytes | None]) -> ArcResult:
    """The verdict on the chain, `none` where there is none; never raises.

    `keys` are as for `verify_signatures`. Trouble with the DNS is `temperror`.
    """
    fields, is_whole = fields_of(header)
    of_chain = [field for field in fields if field.name_lower in _NAMES]
    if not of_chain:
        return ArcResult()
    sets: list[_Set] = []
    try:
        if not is_whole:
            raise SignatureFault("fail", "the header is malformed")
        sets = _sets(of_chain)
        _check_status(sets)
        _check_message(sets[-1], [raw_field(field) for field in fields], body, keys)
        for count in range(len(sets), 0, -1):
            _check_seal(sets[:count], keys)
    except SignatureFault as fault:
        verdict: Verdict = "temperror" if fault.verdict == "temperror" else "fail"
        return ArcResult(verdict, _sealers(sets), plain(str(fault)))
    return ArcResult("pass", _sealers(sets))


def is_sealed(header: bytes) -> bool:
    """Whether anything of a chain is there."""
    return any(field.name_lower in _NAMES for field in fields_of(header)[0])


def _sets(fields: list[Field]) -> list[_Set]:
    """The sets, oldest first; raises SignatureFault unless they are whole and without a gap."""
    if len(fields) > MAX_INSTANCES * len(_NAMES):
        raise SignatureFault("fail", f"more than {MAX_INSTANCES} sets")
    found: dict[tuple[int, str], Field] = {}
    for field in fields:
        place = _instance(field), field.name_lower
        if place in found:
            raise SignatureFault("fail", f"two {place[1]} of instance {place[0]}")
        found[place] = field
    last = max(instance for instance, _ in found)
    places = [(instance, name) for instance in range(1, last + 1) for name in _NAMES]
    if last > MAX_INSTANCES or set(places) != set(found):
        raise SignatureFault("fail", "the sets are not whole")
    return [_set(*(found[instance, name] for name in _NAMES)) for instance in range(1, last + 1)]


def _set(results: Field, message: Field, seal: Field) -> _Set:
    return _Set(raw_field(results), read_signature(message), read_signature(seal))


def _instance(field: Field) -> int:
    if field.name_lower == _RESULTS:
        found = _INSTANCE.match(raw_field(field)[1])
        text = found[1] if found else b""
    else:
        text = read_signature(field).tags.get(b"i", b"")
    if not text.isdigit() or len(text) > 3:
        raise SignatureFault("fail", f"{field.name_lower} has no instance")
    return int(text)


def _check_status(sets: list[_Set]) -> None:
    """What each sealer found: nothing before the first, a chain that held before every other."""
    for number, one in enumerate(sets, 1):
        check_tags(one.seal, _REQUIRED_OF_SEAL, arc=True)
        if one.seal.text("cv") != ("none" if number == 1 else "pass"):
            raise SignatureFault("fail", f"seal {number} says cv={one.seal.text('cv')}")
        if b"h" in one.seal.tags:
            raise SignatureFault("fail", f"seal {number} names fields")


def _check_message(
    newest: _Set, fields: list[RawField], body: bytes | Body, keys: Mapping[str, bytes | None]
) -> None:
    check_tags(newest.message, _REQUIRED_OF_MESSAGE, arc=True)
    if _SEAL.encode() in newest.message.names:
        raise SignatureFault("fail", "the message signature signs a seal")
    check_body(newest.message, body if isinstance(body, Body) else Body(body))
    check(newest.message, newest.message.names, fields, keys)


def _check_seal(sets: list[_Set], keys: Mapping[str, bytes | None]) -> None:
    """The last of these sets seals all of them, oldest first, itself without its seal."""
    seal = sets[-1].seal
    seal = Signature(seal.field, {**seal.tags, b"c": b"relaxed/relaxed"})
    # Fields are taken from the bottom, so the oldest set stands there.
    fields = [*sets[-1].fields[:2], *(field for one in reversed(sets[:-1]) for field in one.fields)]
    check(seal, (_OF_SET * len(sets))[:-1], fields, keys)


def _sealers(sets: list[_Set]) -> tuple[str, ...]:
    return tuple(plain(one.seal.text("d")) for one in sets)
