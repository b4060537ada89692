"""Ask DNS block lists about a client (RFC 5782).

Only an answer in 127.0.0.0/8 lists: a zone that was given up and answers with
somebody's web server lists nobody. Neither does trouble of any kind, and what
large lists answer to those whom they do not serve.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from relay.resolver import IpAddress, NameDoesNotExist, NoSuchRecord, ResolutionError

logger = logging.getLogger("posthouse.inbound")

_LISTED = IPv4Network("127.0.0.0/8")
# "You ask too much, or through a public resolver": about us, not about the client.
_ABOUT_US = IPv4Network("127.255.255.0/24")


class AddressBook(Protocol):
    """What is needed of a resolver."""

    async def a(self, host: str) -> tuple[IpAddress, ...]:
        """The IPv4 addresses of `host`; raises ResolutionError."""
        ...


@dataclass(frozen=True, slots=True)
class BlockLists:
    """Asks `zones`, all at once and for no longer than `timeout` together."""

    resolver: AddressBook
    zones: Sequence[str]
    timeout: timedelta = timedelta(seconds=3)

    async def listing(self, client: IpAddress) -> tuple[str, ...]:
        """The zones that list this address, in the order of the configuration; never raises for trouble."""
        if client.is_loopback or not self.zones:
            return ()
        listed = await asyncio.gather(*(self._is_listed(client, zone) for zone in self.zones))
        return tuple(zone for zone, is_listed in zip(self.zones, listed, strict=True) if is_listed)

    async def _is_listed(self, client: IpAddress, zone: str) -> bool:
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                answers = await self.resolver.a(question(client, zone))
        except (NameDoesNotExist, NoSuchRecord):
            return False
        except (ResolutionError, TimeoutError) as trouble:
            logger.warning("block list %s: %s", zone, trouble or "no answer in time")
            return False
        return self._lists(zone, answers)

    def _lists(self, zone: str, answers: Sequence[IpAddress]) -> bool:
        codes = [answer for answer in answers if isinstance(answer, IPv4Address) and answer in _LISTED]
        if any(code in _ABOUT_US for code in codes):
            logger.warning("block list %s does not answer us: %s", zone, codes[0])
        return any(code not in _ABOUT_US for code in codes)


def question(client: IpAddress, zone: str) -> str:
    """The name to ask for: the octets, or for IPv6 the nibbles, turned round below the zone (§2.1, §2.4)."""
    reverse = client.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return f"{reverse}.{zone}"
