"""Read an SPF record into its terms, or say that it is none (RFC 7208 §4.5, §4.6, §5, §6, §12).

The whole record is read before any of it is judged: one mistake anywhere
spoils all of it, even behind the term that would have matched.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

from inbound.authenticate.spf_macros import MacroString, MalformedMacro, parse_domain_spec, parse_macro_string

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9]*)(.*)", re.DOTALL)
_LENGTH = r"(0|[1-9][0-9]{0,2})"
_DUAL_LENGTH = re.compile(rf"(.*?)(?:/{_LENGTH})?(?://{_LENGTH})?\Z", re.DOTALL)
_NETWORK = re.compile(rf"([0-9A-Fa-f.:]+)(?:/{_LENGTH})?\Z")
_LONGEST_RECORD = 16_384


class MalformedRecord(ValueError):
    """A syntax error: the owner of the domain has to mend it."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive. `domain` is None where the record names none: then it is the current domain."""

    text: str
    qualifier: str
    name: str
    domain: MacroString | None = None
    network: Network | None = None
    length4: int = 32
    length6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """The mechanisms in their order, and the two modifiers that mean something."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None
    explanation: MacroString | None


def is_spf(text: str) -> bool:
    """Whether a TXT record says that it is one of SPF's."""
    return bool(_VERSION.match(text))


def parse_record(text: str) -> Record:
    """The record that begins with its version; raises MalformedRecord for any mistake in it."""
    if len(text) > _LONGEST_RECORD:
        raise MalformedRecord(f"longer than {_LONGEST_RECORD} octets")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, text[len("v=spf1") :].split(" ")):
        try:
            if found := _MODIFIER.fullmatch(term):
                _add_modifier(modifiers, found[1].lower(), found[2])
            else:
                mechanisms.append(_mechanism(term))
        except (MalformedMacro, ValueError) as error:
            raise MalformedRecord(f"{term[:80]!a}: {error}") from None
    return Record(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def _add_modifier(modifiers: dict[str, MacroString], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        parse_macro_string(value)  # unknown ones mean nothing, but must be well-formed
        return
    if name in modifiers:
        raise MalformedRecord("stands twice")
    modifiers[name] = parse_domain_spec(value)


def _mechanism(term: str) -> Mechanism:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise MalformedRecord("not a term")
    qualifier, name, rest = found[1] or "+", found[2].lower(), found[3]
    match name:
        case "all" if not rest:
            return Mechanism(term, qualifier, name)
        case "include" | "exists":
            return Mechanism(term, qualifier, name, parse_domain_spec(_after_colon(rest)))
        case "a" | "mx":
            return _with_lengths(term, qualifier, name, rest)
        case "ptr":
            return Mechanism(term, qualifier, name, parse_domain_spec(_after_colon(rest)) if rest else None)
        case "ip4" | "ip6":
            return Mechanism(term, qualifier, name, network=_network(name, _after_colon(rest)))
    raise MalformedRecord("no such mechanism")


def _after_colon(rest: str) -> str:
    if not rest.startswith(":"):
        raise MalformedRecord("a colon and a value must follow")
    return rest[1:]


def _with_lengths(term: str, qualifier: str, name: str, rest: str) -> Mechanism:
    found = _DUAL_LENGTH.fullmatch(rest)
    assert found is not None
    domain = parse_domain_spec(_after_colon(found[1])) if found[1] else None
    length4, length6 = int(found[2] or 32), int(found[3] or 128)
    if length4 > 32 or length6 > 128:
        raise MalformedRecord("no such prefix length")
    return Mechanism(term, qualifier, name, domain, None, length4, length6)


def _network(name: str, value: str) -> Network:
    found = _NETWORK.fullmatch(value)
    if found is None:
        raise MalformedRecord("not a network")
    kind = ipaddress.IPv4Network if name == "ip4" else ipaddress.IPv6Network
    return kind(value, strict=False)
