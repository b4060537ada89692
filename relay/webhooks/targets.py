"""Where a post may go: http and https, to public addresses, at ports where HTTP may be.

A URL is somebody else's text, and a name may lead anywhere tomorrow. So the
URL is read strictly here, once, with no spelling of a number but the plain
one; and the addresses of its name are judged when they are about to be dialled.
An address that carries another one is as public as that one.
"""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from relay.address import InvalidAddress, parse_domain
from relay.delivery import networks
from relay.errors import InvalidInput
from relay.resolver import IpAddress

LONGEST_URL = 2048
_PORTS = {"http": 80, "https": 443}
# Visible ASCII without what RFC 3986 leaves out (a backslash is a slash to some readers), and U-labels.
_URL = re.compile("[!#-;=?-\\[\\]_a-z~\u00a1-\ud7ff\uf900-\U0010ffff]+\\Z")
_IPV4 = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}\Z")
_LOOPBACK: tuple[IpAddress, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

# The "bad ports" of the Fetch standard, and databases, caches and remote desktops.
_NOT_HTTP = frozenset(
    {
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179),
        *(389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636),
        *(873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 3306, 3389, 3659, 4045, 4190),
        *(5060, 5061, 5432, 5672, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697),
        *(10080, 11211, 27017),
    }
)
# Clouds' own services: one at an address that is public by the registry, one in a shared network.
_PROVIDERS = frozenset({IPv4Address("168.63.129.16"), IPv4Address("100.100.100.200")})
_NAT64 = IPv6Network("64:ff9b::/96")
_CARRIERS_OF_UNKNOWN = (
    IPv6Network("::/96"),  # IPv4-compatible; :: and ::1
    IPv6Network("64:ff9b:1::/48"),  # local NAT64 (RFC 8215): its operator chose where the address stands
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("fec0::/10"),  # site-local
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart. `host` is in lower-case A-labels or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def ip(self) -> IpAddress | None:
        """The address that stands in the URL itself, if one does."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """The value of the Host field (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def local_addresses(self) -> tuple[IpAddress, ...]:
        """The loopback addresses, for the names that always mean them (RFC 6761 §6.3); else none."""
        return _LOOPBACK if self.host == "localhost" or self.host.endswith(".localhost") else ()


def read_url(text: str) -> Target:
    """The URL of an endpoint; raises InvalidInput that says what is wrong with it."""
    if len(text) > LONGEST_URL:
        raise InvalidInput(f"a URL has at most {LONGEST_URL} characters")
    if not _URL.match(text):
        raise InvalidInput("the URL holds a character that no URL has")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise InvalidInput(f"the URL cannot be read: {error}") from None
    if url.scheme not in _PORTS:
        raise InvalidInput("the URL begins with neither https:// nor http://")
    if "@" in url.netloc:
        raise InvalidInput("the URL holds a user or a password: posts are signed instead")
    if "#" in text:
        raise InvalidInput("the URL has a fragment, which is never sent")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    if not path.isascii():
        raise InvalidInput("the URL's path is not percent-encoded")
    target = Target(url.scheme, _read_host(url.netloc), _PORTS[url.scheme] if port is None else port, path)
    if target.port in _NOT_HTTP:
        raise InvalidInput(f"port {target.port} belongs to another protocol than HTTP")
    return target


def check_literal(target: Target, *, allow_private_networks: bool) -> None:
    """Refuse at once what could never be posted to; names are judged by their addresses, later."""
    named = (target.ip,) if target.ip else target.local_addresses
    if not all(is_allowed(ip, allow_private_networks=allow_private_networks) for ip in named):
        raise InvalidInput(f"{target.host} is not on the public Internet")


def is_allowed(ip: IpAddress, *, allow_private_networks: bool) -> bool:
    """Whether `ip` may be posted to: any one host, or with private networks closed a public one.

    What a machine's own provider answers on its link is nobody's endpoint, also on a private network.
    """
    if allow_private_networks:
        inside = carried(ip)
        return inside is not None and not _is_nobodys(inside)
    return is_public(ip)


def is_public(ip: IpAddress) -> bool:
    """Whether `ip`, or the address that it carries, is an ordinary one of the public Internet."""
    if any(ip in network for network in _CARRIERS_OF_UNKNOWN):
        return False
    inside = carried(ip)
    return inside is not None and inside not in _PROVIDERS and networks.is_public(inside)


def carried(ip: IpAddress) -> IpAddress | None:
    """The address that traffic to `ip` reaches in the end; None for an interface's own (with a zone)."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.scope_id is not None:
        return None
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour or ip


def _read_host(netloc: str) -> str:
    """The host between scheme and port: a name, a dotted quad, or IPv6 in brackets."""
    if netloc.startswith("["):
        inner, _, rest = netloc[1:].partition("]")
        if rest and not re.match(r":\d*\Z", rest):
            raise InvalidInput("the URL's host cannot be read")
        return str(_read_ipv6(inner))
    host, colon, port = netloc.partition(":")
    if colon and not (port.isascii() and port.isdigit()):
        raise InvalidInput("the URL's port is no number")
    if _IPV4.match(host):
        return str(_read_ipv4(host))
    try:
        return parse_domain(host.removesuffix("."))
    except InvalidAddress as error:
        raise InvalidInput(f"the URL's host is no name: {error}") from None


def _read_ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise InvalidInput(f"the URL's host is no address: {error}") from None


def _read_ipv6(text: str) -> IPv6Address:
    try:
        ip = IPv6Address(text)
    except ValueError as error:
        raise InvalidInput(f"the URL's host is no address: {error}") from None
    if ip.scope_id is not None:
        raise InvalidInput("an address with a zone is one of this host's own links")
    return ip


def _is_nobodys(ip: IpAddress) -> bool:
    """No one host, or one that only this machine's provider speaks for."""
    several = ip.is_multicast or ip.is_unspecified or _is_broadcast(ip)
    return several or ip.is_link_local or ip in _PROVIDERS


def _is_broadcast(ip: IpAddress) -> bool:
    return isinstance(ip, IPv4Address) and ip in IPv4Network("255.255.255.255/32")
