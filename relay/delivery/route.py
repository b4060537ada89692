"""Decide which mail exchangers to try for a destination, and in what order.

RFC 5321 §5.1: lowest preference first, equals in random order; without MX
records the domain's own addresses. A null MX (RFC 7505) says "no mail, ever".
What the DNS states is permanent, what it could not tell us is temporary. The
addresses found here are the ones dialled: nothing is looked up twice.
"""

import asyncio
import ipaddress
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby, zip_longest

from relay.address import is_literal, literal_ip
from relay.delivery.networks import is_public
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import Smarthost, TlsUse
from relay.errors import PosthouseError
from relay.replies import SmtpReply
from relay.resolver import (
    IpAddress,
    MxRecord,
    NameDoesNotExist,
    NoSuchRecord,
    ResolutionError,
    Resolver,
    ResolverTrouble,
)

_LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


@dataclass(frozen=True, slots=True)
class Hop:
    """One address to dial. `host` is the exchanger's name, or a literal."""

    host: str
    ip: IpAddress
    port: int
    smarthost: Smarthost | None = None

    @property
    def tls(self) -> TlsUse:
        return self.smarthost.tls if self.smarthost else TlsUse.OPPORTUNISTIC

    def __str__(self) -> str:
        return f"{self.host}[{self.ip}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """Addresses in the order to try them; `notes` say what was left out, and why."""

    hops: tuple[Hop, ...]
    notes: tuple[str, ...]


class NoRoute(PosthouseError):
    """There is nowhere to go: for ever if `reply` is 5xx, for now if it is 4xx."""

    def __init__(self, reply: SmtpReply, notes: Iterable[str] = ()) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.notes = tuple(notes)


async def find_route(
    destination: str, resolver: Resolver, settings: DeliverySettings, rng: random.Random
) -> Route:
    """At least one hop to `destination` (a domain in A-labels, or a literal); raises NoRoute."""
    return await _Finder(destination, resolver, settings, rng).find()


class _Finder:
    """One search, with the notes it makes on the way."""

    def __init__(
        self, destination: str, resolver: Resolver, settings: DeliverySettings, rng: random.Random
    ) -> None:
        self._destination = destination
        self._resolver = resolver
        self._settings = settings
        self._rng = rng
        self._notes: list[str] = []

    async def find(self) -> Route:
        if self._settings.smarthost is not None:
            hops = await self._smarthost_hops(self._settings.smarthost)
        elif is_literal(self._destination):
            hops = self._dialable(self._destination, [literal_ip(self._destination)])
        else:
            hops = await self._exchanger_hops()
        if not hops:
            raise self._no(550, "5.4.4", f"{self._destination} has no address that may be dialled")
        return Route(tuple(hops[: self._settings.limits.candidates]), tuple(self._notes))

    async def _smarthost_hops(self, smarthost: Smarthost) -> list[Hop]:
        """Whatever the DNS says about our own smarthost is our trouble, not the recipient's."""
        try:
            ips = list(await self._addresses(smarthost.host))
        except ResolutionError as error:
            raise self._no(451, "4.4.3", f"smarthost {smarthost.host}: {error}") from error
        return [Hop(smarthost.host, ip, smarthost.port, smarthost) for ip in self._mix(ips)]

    async def _exchanger_hops(self) -> list[Hop]:
        exchangers = await self._exchangers()
        exchangers = self._before_ourselves(exchangers, self._is_our_name)
        named = exchangers[: self._settings.limits.candidates]
        answers = await asyncio.gather(
            *(self._addresses(record.host) for record in named), return_exceptions=True
        )
        found: dict[MxRecord, list[IpAddress]] = {}
        for record, answer in zip(named, answers, strict=True):
            if isinstance(answer, BaseException):
                self._note_unresolved(record, answer)
            found[record] = [] if isinstance(answer, BaseException) else list(answer)
        ours = self._settings.own_addresses
        named = self._before_ourselves(named, lambda record: not ours.isdisjoint(found[record]))
        hops = [hop for record in named for hop in self._dialable(record.host, found[record])]
        if not hops and any(isinstance(answer, ResolverTrouble) for answer in answers):
            raise self._no(451, "4.4.3", f"the exchangers of {self._destination} could not be looked up")
        return hops

    async def _exchangers(self) -> list[MxRecord]:
        """The MX records in the order to try; the domain itself where there are none (implicit MX)."""
        try:
            records = await self._resolver.mx(self._destination)
        except NameDoesNotExist as error:
            raise self._no(550, "5.1.2", f"domain {self._destination} does not exist") from error
        except NoSuchRecord:
            self._notes.append(f"{self._destination} has no MX: its own address is the exchanger")
            return [MxRecord(0, self._destination)]
        except ResolverTrouble as error:
            raise self._no(451, "4.4.3", f"the DNS did not answer: {error}") from error
        if all(record.host == "" for record in records):
            raise self._no(556, "5.1.10", f"domain {self._destination} accepts no mail (null MX)")
        return self._in_order([record for record in records if self._is_name(record)])

    def _in_order(self, records: list[MxRecord]) -> list[MxRecord]:
        ordered: list[MxRecord] = []
        by_preference = sorted(records, key=lambda record: record.preference)
        for _, equals in groupby(by_preference, key=lambda record: record.preference):
            group = list(equals)
            self._rng.shuffle(group)
            ordered += group
        return ordered

    def _is_name(self, record: MxRecord) -> bool:
        if record.host == "":
            self._notes.append("an MX that names the root is skipped")
            return False
        try:
            ipaddress.ip_address(record.host)
        except ValueError:
            return True
        self._notes.append(f"MX {record.host} is an address, not a name: skipped")
        return False

    def _is_our_name(self, record: MxRecord) -> bool:
        return record.host in self._settings.own_names

    def _before_ourselves(
        self, records: list[MxRecord], is_ours: Callable[[MxRecord], bool]
    ) -> list[MxRecord]:
        """Those better than us; mail sent to our equals or worse would come back (RFC 5321 §5.1)."""
        ours = [record.preference for record in records if is_ours(record)]
        if not ours:
            return records
        better = [record for record in records if record.preference < min(ours)]
        self._notes.append(f"this station is an exchanger here: preference {min(ours)} and above left out")
        if not better:
            raise self._no(554, "5.4.6", f"mail for {self._destination} loops back to this station")
        return better

    async def _addresses(self, host: str) -> tuple[IpAddress, ...]:
        try:
            return (ipaddress.ip_address(host),)  # only a smarthost is given as an address
        except ValueError:
            pass
        if host == "localhost":
            return _LOOPBACK
        return await self._resolver.addresses(host)

    def _note_unresolved(self, record: MxRecord, error: BaseException) -> None:
        if not isinstance(error, ResolutionError):
            raise error
        self._notes.append(f"MX {record.host}: {error}")

    def _dialable(self, host: str, ips: list[IpAddress]) -> list[Hop]:
        """Hops to those addresses of one host that we may and can dial, both families in turn."""
        allowed = []
        for ip in ips:
            if not (self._settings.allow_private_networks or is_public(ip)):
                self._notes.append(f"{host} is at {ip}, which is not public: refused")
            elif ip in self._settings.own_addresses:
                raise self._no(554, "5.4.6", f"{host} is this station")
            elif not self._has_source_for(ip):
                self._notes.append(f"{host} is at {ip}: no source address of that family")
            else:
                allowed.append(ip)
        return [Hop(host, ip, self._settings.port) for ip in self._mix(allowed)]

    def _has_source_for(self, ip: IpAddress) -> bool:
        sources = self._settings.source_addresses
        return not sources or any(source.version == ip.version for source in sources)

    def _mix(self, ips: list[IpAddress]) -> list[IpAddress]:
        """IPv4 and IPv6 by turns, so that one broken family cannot use up the tries."""
        families = [[ip for ip in ips if ip.version == version] for version in (4, 6)]
        for family in families:
            self._rng.shuffle(family)
        mixed = [ip for pair in zip_longest(*families) for ip in pair if ip is not None]
        return mixed[: self._settings.limits.addresses_per_host]

    def _no(self, code: int, enhanced: str, text: str) -> NoRoute:
        return NoRoute(SmtpReply(code, enhanced, text), self._notes)
