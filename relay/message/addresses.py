"""The strict reader of address lists in header fields: From, Sender, Reply-To, To, Cc (RFC 5322 §3.4).

It decides who may send, so it must see what every receiver sees, or nothing:
whatever two readers could take differently raises InvalidAddress. Display
names, quoted strings, comments and groups are understood; source routes,
comments inside an address, empty list members and encoded-words outside
display names are not. Obsolete syntax is accepted in one place only: dots in
display names, because everybody writes `John Q. Public`. Octets that are not
UTF-8 may stand in display names and comments, as old programs write them,
where no character set gives the text another structure.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from relay.address import Address, InvalidAddress, parse_address

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    |(?P<quoted>"(?:[^"\\]|\\.)*+")
    |(?P<literal>\[[^\[\]\\\s]*+\])
    |(?P<special>[<>@,:;.])
    |(?P<atom>(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]|[^\x00-\x7f])++)""",
    re.VERBOSE,
)
_COMMENT_PART = re.compile(r"[^()\\]++|\\.|[()]")
_UNREADABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# Octets of an unknown character set: in some, what follows them is not the backslash that it looks like.
_UNKNOWN_OCTET = re.compile("[\ud800-\udfff]")
_MAX_NESTING = 16
# Of a value that is remembered: programs write from the same few addresses.
_SHORT = 320


class _Token(NamedTuple):
    kind: str  # the group names of _TOKEN, "comment", or for specials the character itself
    text: str


def addresses_of(value: str) -> list[Address]:
    """Every address of an unfolded field value, in order; the members of a group stand for it.

    `undisclosed-recipients:;` is the empty list. Raises InvalidAddress for
    anything unclear, and for a value without any address or group.
    """
    return list(_read_again(value) if len(value) <= _SHORT else _read(value))


def _read(value: str) -> tuple[Address, ...]:
    if found := _UNREADABLE.search(value):
        raise InvalidAddress(f"{found[0]!r} cannot stand in an address list")
    if "\\" in value and _UNKNOWN_OCTET.search(value):
        raise InvalidAddress("a backslash stands beside octets that are not UTF-8")
    addresses: list[Address] = []
    for member in _split(_tokens(value)):
        addresses.extend(_addresses_of_group(member) if _is_group(member) else [_address_of(member)])
    return tuple(addresses)


_read_again = lru_cache(maxsize=1024)(_read)


def _tokens(value: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(value):
        if value[at] == "(":
            end = _end_of_comment(value, at)
            tokens.append(_Token("comment", value[at:end]))
        else:
            found = _TOKEN.match(value, at)
            if found is None:
                raise InvalidAddress(f"address list is unclear at {value[at : at + 20]!r}")
            end = found.end()
            kind = found.lastgroup or ""
            tokens.append(_Token(found[0] if kind == "special" else kind, found[0]))
        at = end
    return tokens


def _end_of_comment(value: str, at: int) -> int:
    depth = 0
    for part in _COMMENT_PART.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth > _MAX_NESTING:
            raise InvalidAddress("comments are nested too deeply")
        if not depth:
            return part.end()
    raise InvalidAddress("a comment is not closed")


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    """The members of the list; commas inside groups and angle brackets do not part them."""
    members: list[list[_Token]] = [[]]
    inside_group = inside_brackets = False
    for token in tokens:
        if token.kind == "," and not inside_group and not inside_brackets:
            members.append([])
            continue
        members[-1].append(token)
        inside_brackets = token.kind == "<" or (inside_brackets and token.kind != ">")
        if token.kind in (":", ";") and not inside_brackets:
            inside_group = token.kind == ":"
    return members


def _is_group(member: list[_Token]) -> bool:
    """Whether a colon comes before anything that only an address has."""
    return next((token.kind for token in member if token.kind in "<@:"), None) == ":"


def _addresses_of_group(member: list[_Token]) -> list[Address]:
    kinds = [token.kind for token in member]
    colon = kinds.index(":")
    _check_display_name(member[:colon], required=True)
    if kinds.count(";") != 1 or _trimmed(member[kinds.index(";") + 1 :]):
        raise InvalidAddress("a group ends with one semicolon")
    inner = member[colon + 1 : kinds.index(";")]
    return [_address_of(part) for part in _split(inner)] if _trimmed(inner) else []


def _address_of(member: list[_Token]) -> Address:
    tokens = _trimmed(member)
    if not tokens:
        raise InvalidAddress("address list has an empty member")
    kinds = [token.kind for token in tokens]
    if "<" not in kinds:
        return _addr_spec(tokens)
    start = kinds.index("<")
    if kinds[-1] != ">":
        raise InvalidAddress("text stands after an address in angle brackets")
    _check_display_name(tokens[:start], required=False)
    inner = tokens[start + 1 : -1]
    if any(token.kind == "comment" for token in inner):
        raise InvalidAddress("a comment stands inside angle brackets")
    return _addr_spec(_trimmed(inner))


def _addr_spec(tokens: list[_Token]) -> Address:
    """`local@domain` without anything between; the rules of its parts are relay.address's."""
    kinds = [token.kind for token in tokens]
    if kinds.count("@") != 1:
        raise InvalidAddress("an address has one @, and only display names stand before < without quotes")
    at = kinds.index("@")
    local, domain = kinds[:at], kinds[at + 1 :]
    if local != ["quoted"] and not set(local) <= {"atom", "."}:
        raise InvalidAddress("local part is not valid")
    if domain != ["literal"] and not set(domain) <= {"atom", "."}:
        raise InvalidAddress("domain is not valid")
    return parse_address("".join(token.text for token in tokens))


def _check_display_name(tokens: list[_Token], *, required: bool) -> None:
    """A phrase of atoms, quoted strings and dots, with comments between."""
    kinds = {token.kind for token in tokens}
    if not kinds <= {"space", "comment", "atom", "quoted", "."}:
        raise InvalidAddress("a display name with special characters stands in quotes")
    if required and not kinds & {"atom", "quoted"}:
        raise InvalidAddress("a group has a name")


def _trimmed(tokens: list[_Token]) -> list[_Token]:
    """Without the white space and comments at both ends."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind in ("space", "comment"):
        start += 1
    while end > start and tokens[end - 1].kind in ("space", "comment"):
        end -= 1
    return tokens[start:end]
