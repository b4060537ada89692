"""Which addresses a far mail exchanger may have: public unicast ones, and no others.

A table of our own after the IANA special-purpose registries (RFC 6890 and
successors), because `ipaddress.is_global` says yes to addresses that carry a
private one inside (NAT64, IPv4-compatible), to site-local and to multicast.
Whoever publishes an MX record must not be able to point us at our own network.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from relay.resolver import IpAddress

_SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches this host on Linux
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Everything outside 2000::/3 is special: loopback, mapped and compatible IPv4,
# NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), discard, unique local, link-local,
# site-local, segment routing, multicast.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocols: Teredo, ORCHID, benchmarks, anycast services
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)


def is_public(ip: IpAddress) -> bool:
    """Whether `ip` is an ordinary address of the public Internet."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    return ip in _GLOBAL_UNICAST_V6 and not any(ip in network for network in _SPECIAL_V6)
