"""Which domains took responsibility for a message: its DKIM signatures (RFC 6376, RFC 8463).

Pure, and run in the reading child: keys are given. What is signed in part
only (`l=`) or with a weak key is `policy`: true perhaps, but no proof.
"""

from collections.abc import Mapping

from inbound.authenticate.results import DkimResult, plain
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
from relay.message.headers import Field, Header, MalformedHeader

MAX_SIGNATURES = 8
_NAME = "dkim-signature"
_ARC_NAMES = ("arc-seal", "arc-message-signature")
_REQUIRED = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
_LEEWAY = 300  # seconds that two clocks may differ
_SECOND = 1_000_000


def verify_signatures(
    header: bytes, body: bytes | Body, keys: Mapping[str, bytes | None], at: int
) -> list[DkimResult]:
    """A verdict on each of the first eight signatures, from the top; never raises.

    `keys` are the records by name: None is trouble with the DNS, b"" and no
    entry are no key. `at` is now, in microseconds since the epoch.
    """
    fields, is_whole = fields_of(header)
    body = body if isinstance(body, Body) else Body(body)
    signatures = [field for field in fields if field.name_lower == _NAME][:MAX_SIGNATURES]
    if not is_whole:
        return [DkimResult("neutral", reason="the header is malformed") for _ in signatures]
    raw_fields = [raw_field(field) for field in fields]
    return [_judge(field, raw_fields, body, keys, at) for field in signatures]


def undecided(header: bytes, reason: str) -> list[DkimResult]:
    """`temperror` for each signature that `verify_signatures` would have judged."""
    fields, _ = fields_of(header)
    return [_undecided(field, reason) for field in fields if field.name_lower == _NAME][:MAX_SIGNATURES]


def key_names(header: bytes) -> list[str]:
    """Where the keys stand that a check of this header needs: at most eight for DKIM and eight for ARC."""
    fields, _ = fields_of(header)
    signatures = [field for field in fields if field.name_lower == _NAME][:MAX_SIGNATURES]
    seals = [field for field in fields if field.name_lower in _ARC_NAMES]
    return list(dict.fromkeys(_first_keys(signatures) + _first_keys(seals)))


def fields_of(header: bytes) -> tuple[list[Field], bool]:
    """The fields, and whether that is all there is: where something else stands between, readers differ."""
    try:
        parsed = Header.parse(header)
    except MalformedHeader:
        return [Field(_NAME, b"")] * (_NAME.encode() in header.lower()), False
    return [field for field in parsed.fields if field.name_lower], not parsed.unparsed


def _undecided(field: Field, reason: str) -> DkimResult:
    fault = SignatureFault("temperror", reason)
    try:
        return _result(read_signature(field), fault)
    except SignatureFault:
        return _result(None, fault)


def _first_keys(fields: list[Field]) -> list[str]:
    names: dict[str, None] = {}
    for field in fields:
        if len(names) == MAX_SIGNATURES:
            break
        try:
            signature = read_signature(field)
        except SignatureFault:
            continue
        if signature.text("s") and signature.text("d"):
            names[signature.key_name] = None
    return list(names)


def _judge(
    field: Field, fields: list[RawField], body: Body, keys: Mapping[str, bytes | None], at: int
) -> DkimResult:
    signature = None
    try:
        signature = read_signature(field)
        _check(signature, fields, body, keys, at // _SECOND)
    except SignatureFault as fault:
        return _result(signature, fault)
    return _result(signature, None)


def _check(
    signature: Signature, fields: list[RawField], body: Body, keys: Mapping[str, bytes | None], now: int
) -> None:
    check_tags(signature, _REQUIRED)
    if b"from" not in signature.names:
        raise SignatureFault("permerror", "From is not signed")
    _check_times(signature, now)
    if b"l" not in signature.tags:
        check_body(signature, body)
    check(signature, signature.names, fields, keys)
    if b"l" in signature.tags:
        raise SignatureFault("policy", "only a part of the body is signed")


def _check_times(signature: Signature, now: int) -> None:
    signed_at, expires_at = _seconds(signature, b"t", 0), _seconds(signature, b"x", None)
    if signed_at is not None and signed_at > now + _LEEWAY:
        raise SignatureFault("neutral", "it was signed in the future")
    if expires_at is not None and expires_at < now - _LEEWAY:
        raise SignatureFault("fail", "it has expired")


def _seconds(signature: Signature, tag: bytes, default: int | None) -> int | None:
    value = signature.tags.get(tag)
    if value is None:
        return default
    if not value.isdigit() or len(value) > 12:  # RFC 6376 §3.5: up to 10^12 - 1
        raise SignatureFault("neutral", "a time is no number")
    return int(value)


def _result(signature: Signature | None, fault: SignatureFault | None) -> DkimResult:
    verdict = fault.verdict if fault else "pass"
    reason = plain(str(fault)) if fault else ""
    if signature is None:
        return DkimResult(verdict, reason=reason)
    domain, selector, algorithm, identity = (plain(signature.text(tag)) for tag in "dsai")
    return DkimResult(verdict, domain, selector, algorithm, identity, reason)
