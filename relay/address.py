"""The strict reader of mail addresses: RFC 5321 §4.1.2 paths, RFC 6531 for UTF-8, nothing more.

Every address passes here, at each door and once more before it goes out on a
socket. What this refuses cannot become a second command, a second recipient
or another domain further on: no encoded-words, no comments, no control
characters, and inside quotes none of `< > @ \\` or white space. Domains are
kept as lower-case A-labels, so that one domain has one spelling.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import idna

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
# Neither controls nor white space, nor what turns the direction of writing: nobody sees these.
_UNSEEN = (
    r"\x7f-\xa0\u1680\u180e\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
)
_UTF8 = rf"[^\x00-\x7f{_UNSEEN}]"
_DOT_STRING = re.compile(rf"(?:{_ATEXT}|{_UTF8})+(?:\.(?:{_ATEXT}|{_UTF8})+)*\Z")
_DOT_STRING_ASCII = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_QUOTED = re.compile(rf'"([^"\\\x00-\x20<>@{_UNSEEN}]*)"\Z')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_SOURCE_ROUTE = re.compile(r"@[^@:,<>\s]+(?:,@[^@:,<>\s]+)*:")
# The last label of what some resolvers read as an IPv4 address.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bqBQ]\?")

MAX_LOCAL_PART = 64
MAX_DOMAIN = 253  # of RFC 1035's 255 octets on the wire, without the lengths and the root
MAX_ADDRESS = 254  # of RFC 5321's 256 for a path, without its brackets


class InvalidAddress(ValueError):
    """This is not an address we can use; the text says why, in words for its author."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox name. `local_part` is without quotes, `domain` in A-labels or a literal.

    The domain is empty in POSTMASTER only.
    """

    local_part: str
    domain: str

    def __str__(self) -> str:
        local_part = quote_local_part(self.local_part)
        return f"{local_part}@{self.domain}" if self.domain else local_part

    @property
    def key(self) -> str:
        """The form in which addresses are looked up: local parts differ by more than case.

        Nor by how an accent is composed (RFC 6532 §3.1).
        """
        local_part = unicodedata.normalize("NFC", self.local_part.lower())
        return f"{local_part}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can be given this address (RFC 6531)."""
        return not self.local_part.isascii()


# `RCPT TO:<postmaster>`, whom every server knows (RFC 5321 §4.1.1.3, §4.5.1).
POSTMASTER: Final = Address("postmaster", "")


@dataclass(frozen=True, slots=True)
class NullPath:
    """The reverse path `<>`: mail that must not be answered by more mail."""

    def __str__(self) -> str:
        return ""


NULL_PATH: Final = NullPath()
ReversePath: TypeAlias = Address | NullPath


@lru_cache(maxsize=4096)  # each is written in many places
def quote_local_part(local_part: str) -> str:
    """The local part as it stands in a path: quoted only where it must be."""
    return local_part if _DOT_STRING.match(local_part) else f'"{local_part}"'


@lru_cache(maxsize=4096)  # the same few come at each door, and from each row
def parse_address(text: str, *, allow_utf8: bool = True) -> Address:
    """`local@domain` as an Address; raises InvalidAddress with the reason."""
    local, at, domain = text.rpartition("@")
    if not at:
        raise InvalidAddress("address has no @")
    address = Address(_parse_local_part(local, allow_utf8), parse_domain(domain, allow_utf8=allow_utf8))
    # As it will travel: A-labels may be longer than what was written.
    if len(str(address).encode()) > MAX_ADDRESS:
        raise InvalidAddress("address is too long")
    return address


def parse_path(text: str, *, allow_utf8: bool = False) -> Address:
    """`<local@domain>` as an Address, a source route dropped (RFC 5321 appendix F.2)."""
    inner = _inside_brackets(text)
    route = _SOURCE_ROUTE.match(inner)
    return parse_address(inner[route.end() :] if route else inner, allow_utf8=allow_utf8)


def parse_reverse_path(text: str, *, allow_utf8: bool = False) -> ReversePath:
    """The path of a MAIL command: `<>` is the null path."""
    return NULL_PATH if text == "<>" else parse_path(text, allow_utf8=allow_utf8)


def read_reverse_path(text: str) -> ReversePath:
    """A reverse path as the store keeps it: the empty text is the null path."""
    return parse_address(text) if text else NULL_PATH


def parse_domain(text: str, *, allow_utf8: bool = True) -> str:
    """A domain in lower-case A-labels, or an address literal in its one spelling."""
    if len(text) > MAX_DOMAIN:
        raise InvalidAddress("domain is too long")
    if text.startswith("["):
        return _parse_literal(text)
    if not text.isascii():
        if not allow_utf8:
            raise InvalidAddress("a domain in UTF-8 needs SMTPUTF8")
        text = _to_a_labels(text)
    domain = text.lower()
    if len(domain) > MAX_DOMAIN:
        raise InvalidAddress("domain is too long")
    for label in domain.split("."):
        if not _LABEL.match(label):
            raise InvalidAddress(f"domain label {label[:70]!r} is not valid")
    if _ends_in_number(domain):
        raise InvalidAddress("an IP address as a domain is written in brackets")
    return domain


def display_domain(domain: str) -> str:
    """The domain for people: U-labels where there are any."""
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def is_literal(domain: str) -> bool:
    return domain.startswith("[")


def literal_ip(domain: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IP address that a domain literal names."""
    inner = domain[1:-1]
    return ipaddress.ip_address(inner.removeprefix("IPv6:"))


def _inside_brackets(text: str) -> str:
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        raise InvalidAddress("a path stands between < and >")
    return text[1:-1]


def _parse_local_part(text: str, allow_utf8: bool) -> str:
    if not text:
        raise InvalidAddress("address has no local part")
    if not allow_utf8 and not text.isascii():
        raise InvalidAddress("a local part in UTF-8 needs SMTPUTF8")
    quoted = _QUOTED.match(text)
    local = quoted[1] if quoted else text
    if not quoted and not (_DOT_STRING_ASCII if text.isascii() else _DOT_STRING).match(text):
        raise InvalidAddress("local part is not valid")
    if not local:
        raise InvalidAddress("local part is empty")
    if _ENCODED_WORD.search(local):
        raise InvalidAddress("an encoded-word is no local part")
    if len(local.encode()) > MAX_LOCAL_PART:
        raise InvalidAddress("local part is longer than 64 octets")
    return local


def _parse_literal(text: str) -> str:
    if not text.endswith("]"):
        raise InvalidAddress("address literal has no closing bracket")
    inner = text[1:-1]
    family: Literal[4, 6] = 6 if inner[:5].lower() == "ipv6:" else 4
    try:
        if family == 6:
            address = ipaddress.IPv6Address(inner[5:])
            if address.scope_id is not None:
                raise InvalidAddress("an address literal has no zone")
            return f"[IPv6:{address}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ipaddress.AddressValueError as error:
        raise InvalidAddress("address literal is not an IP address") from error


def _to_a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidAddress(f"domain {text[:70]!r} is not valid") from error


def _ends_in_number(domain: str) -> bool:
    return bool(_NUMBER.match(domain.rpartition(".")[2]))
