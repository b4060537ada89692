"""Our name and our addresses must point at each other: receivers look before they listen.

RFC 5321 §4.1.4 wants a real name in EHLO; the large providers refuse mail
from addresses whose PTR is missing or does not lead back (RFC 1912 §2.1).
"""

import socket
from collections.abc import Collection, Sequence
from ipaddress import ip_address

from relay.config import Config
from relay.delivery.networks import is_public
from relay.doctor.finding import Finding, Grade
from relay.resolver import IpAddress, NameDoesNotExist, NoSuchRecord, ResolutionError, Resolver

# Documentation addresses: only the routing table is asked which way leads there.
_FAR_AWAY = ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1"))


def leaving_addresses(config: Config) -> list[IpAddress]:
    """Where mail leaves this machine from: the configured addresses, or the routing table's choice."""
    if config.delivery.source_addresses:
        return list(config.delivery.source_addresses)
    chosen = (_source_towards(family, far) for family, far in _FAR_AWAY)
    return [ip for ip in chosen if ip is not None]


async def check_hostname(resolver: Resolver, hostname: str, leaving: Collection[IpAddress]) -> list[Finding]:
    """The host name is a full one and has addresses, among them those that mail leaves from."""
    what, expected = f"name {hostname}", "a full host name with an address"
    if "." not in hostname or hostname.endswith((".local", ".localdomain", ".internal")):
        advice = "set server.hostname to the name that this machine has in the DNS"
        return [Finding(what, Grade.PROBLEM, expected, f"{hostname} is known to nobody else", advice)]
    try:
        found = await resolver.addresses(hostname)
    except (NameDoesNotExist, NoSuchRecord):
        wanted = " and ".join(str(ip) for ip in leaving if is_public(ip)) or "this machine's public address"
        return [
            Finding(what, Grade.PROBLEM, expected, "no A or AAAA record", f"point {hostname} at {wanted}")
        ]
    except ResolutionError as trouble:
        return [Finding(what, Grade.UNKNOWN, expected, str(trouble), "see the nameserver's line")]
    listed = ", ".join(map(str, found))
    strangers = [ip for ip in leaving if is_public(ip) and ip not in found]
    if strangers:
        advice = (
            f"add A or AAAA records for {', '.join(map(str, strangers))}, or set delivery.source_addresses"
        )
        return [Finding(what, Grade.WARNING, "the addresses that mail leaves from", listed, advice)]
    return [Finding(what, Grade.OK, expected, listed)]


async def addresses_in_the_world(
    resolver: Resolver, hostname: str, leaving: Sequence[IpAddress]
) -> list[IpAddress]:
    """The addresses that receivers see: the public ones that mail leaves from.

    Behind address translation there is none; then those that our name has in the DNS.
    """
    public = [ip for ip in leaving if is_public(ip)]
    if public:
        return public
    try:
        return [ip for ip in await resolver.addresses(hostname) if is_public(ip)]
    except ResolutionError:
        return []


async def check_reverse(resolver: Resolver, ip: IpAddress, hostname: str) -> Finding:
    """The PTR of `ip` is `hostname`, and leads back to `ip`."""
    what, ask = f"PTR {ip}", f"ask the provider of {ip} to set its reverse DNS to {hostname}"
    try:
        names = await resolver.ptr(ip)
    except (NameDoesNotExist, NoSuchRecord):
        return Finding(what, Grade.PROBLEM, hostname, "no PTR record", ask)
    except ResolutionError as trouble:
        return Finding(what, Grade.UNKNOWN, hostname, str(trouble), "see the nameserver's line")
    if await _leads_back(resolver, names, ip) is None:
        advice = f"give {names[0]} an address record with {ip}, or {ask}"
        return Finding(what, Grade.PROBLEM, hostname, f"{', '.join(names)}, which does not lead back", advice)
    if hostname.lower() not in names:
        return Finding(what, Grade.WARNING, hostname, ", ".join(names), ask)
    return Finding(what, Grade.OK, hostname, ", ".join(names))


async def _leads_back(resolver: Resolver, names: Sequence[str], ip: IpAddress) -> str | None:
    for name in names:
        try:
            if ip in await resolver.addresses(name):
                return name
        except ResolutionError:
            continue
    return None


def _source_towards(family: socket.AddressFamily, far: str) -> IpAddress | None:
    """Nothing is sent: connecting a datagram socket only chooses the local address."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))
            return ip_address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return None
