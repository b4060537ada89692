"""An address or a domain that a person lists, in the form in which it is kept, and what it means.

`Ann@Example.com` is one address, in any case of letters. `example.com`,
`@example.com` and `*@example.com` are everybody of the domain and of the
domains below it.
"""

from collections.abc import Iterator

from relay.address import Address, InvalidAddress, is_literal, parse_address, parse_domain
from relay.errors import InvalidInput


def read_entry(text: str) -> str:
    """An address key, or a domain in A-labels without an @; raises InvalidInput."""
    text = text.strip()
    name = text.removeprefix("*@").removeprefix("@")
    try:
        return parse_address(name).key if "@" in name else parse_domain(name.rstrip("."))
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is neither an address nor a domain: {error}") from error


def entries_for(address: Address) -> Iterator[str]:
    """Every entry that means `address`: the nearest first."""
    yield address.key
    domain = address.domain
    while domain:
        yield domain
        domain = "" if is_literal(domain) else domain.partition(".")[2]
