"""People as a request names them: an address, `Name <address>`, or an object with both."""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta

from api.problems import invalid
from api.shapes import Body
from relay.address import Address, InvalidAddress, parse_address
from relay.message.addresses import addresses_of
from relay.message.person import Person

MAX_PEOPLE = 1000

# What no header field can say (`relay.message.compose`), blind recipients' names among it.
_UNSAYABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PHRASE = re.compile(r'((?:"(?:[^"\\]|\\.)*+"|[^"<])*+)<')
_QUOTED_PAIR = re.compile(r"\\(.)")


AddressText: TypeAlias = Annotated[str, Meta(max_length=320)]
Name: TypeAlias = Annotated[str, Meta(max_length=200)]


class Named(Body, kw_only=True, frozen=True):
    """A person with a name; `email` is another word for `address`."""

    address: AddressText | None = None
    email: AddressText | None = None
    name: Name = ""


One: TypeAlias = Annotated[str, Meta(max_length=600)] | Named
People: TypeAlias = One | Annotated[list[One], Meta(max_length=MAX_PEOPLE)]


def people_of(wanted: People, path: str) -> tuple[Person, ...]:
    """The persons that are named; raises Problem (422) at the one that has no address.

    A text is an address, or a name with an address in angle brackets.
    """
    if isinstance(wanted, list):
        return tuple(person_of(one, f"{path}[{place}]") for place, one in enumerate(wanted))
    return (person_of(wanted, path),)


def person_of(one: One, path: str) -> Person:
    """One person; raises Problem (422)."""
    if isinstance(one, str):
        return Person(str(_only_address(one, path)), _name_before(one))
    if (one.address is None) == (one.email is None):
        raise invalid(path, "has either an address or an email")
    word = "email" if one.address is None else "address"
    try:
        address = parse_address(one.address or one.email or "")
    except InvalidAddress as error:
        raise invalid(f"{path}.{word}", str(error)) from error
    if found := _UNSAYABLE.search(one.name):
        raise invalid(f"{path}.name", f"{found[0]!r} cannot stand in a header field")
    return Person(str(address), one.name)


def _only_address(text: str, path: str) -> Address:
    try:
        addresses = addresses_of(text)
    except InvalidAddress as error:
        raise invalid(path, f"{text[:100]!r}: {error}") from error
    if len(addresses) != 1:
        raise invalid(path, f"{text[:100]!r} is not exactly one address")
    return addresses[0]


def _name_before(text: str) -> str:
    """The display name of `Name <address>`, without its quotes."""
    found = _PHRASE.match(text) if "<" in text else None
    name = found[1].strip() if found else ""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", name[1:-1])
    return name
