"""Where a link may lead: http and https only, spelled as a Location field can carry it (RFC 9110 §10.2.2).

What a browser would ignore in an address (white space around it, line ends in
it) is left out; nothing else about it changes, but for UTM parameters.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from relay.address import InvalidAddress, parse_domain

LONGEST = 2000
# What stands behind `utm_`; the names are Google's, and everybody's.
UTM_NAMES = ("source", "medium", "campaign", "term", "content", "id")

_IGNORED = re.compile("[\t\r\n]")
_AROUND = "".join(map(chr, range(0x21)))
_HTTP = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^/?#\\@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^/?#\\@:]+)(?P<rest>.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>`')
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def destination_of(href: str) -> str | None:
    """The address that a link leads to, in ASCII; None for what is not http or https, or has no host."""
    address = _IGNORED.sub("", href.strip(_AROUND))
    found = _HTTP.match(address)
    if found is None or _CONTROL.search(address) or len(address) > LONGEST:
        return None
    host = _ascii_host(found["host"])
    if host is None:
        return None
    try:
        spelled = f"{found['scheme']}://{_spelled(found['user'] or '')}{host}{_spelled(found['rest'])}"
    except UnicodeEncodeError:  # half a character
        return None
    return spelled if len(spelled) <= LONGEST else None


def with_utm(destination: str, utm: Mapping[str, str]) -> str:
    """The address with these parameters, before its fragment; one that it has already stays as it is."""
    address, hash_, fragment = destination.partition("#")
    query = address.partition("?")[2]
    present = {part.partition("=")[0].lower() for part in re.split("[&;]", query)}
    added = [
        f"utm_{name}={quote(utm[name], safe='')}"
        for name in UTM_NAMES
        if name in utm and f"utm_{name}" not in present
    ]
    if not added:
        return destination
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{'&'.join(added)}{hash_}{fragment}"


def _spelled(text: str) -> str:
    return quote(text, safe=_SAFE)


def _ascii_host(host: str) -> str | None:
    if host.startswith("[") or host.isascii():
        return None if set(host) & set(' "<>`') else host
    try:
        return parse_domain(host)
    except InvalidAddress:
        return None
