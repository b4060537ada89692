"""What one check of SPF asks the DNS, counted (RFC 7208 §4.6.4).

A record is a stranger's program, so what it may cost is bounded: ten terms
that ask, two answers without records, ten exchangers, ten names of an address.
"""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from relay.resolver import IpAddress, MxRecord, NameDoesNotExist, NoSuchRecord, ResolutionError

_ABSENT = (NameDoesNotExist, NoSuchRecord)

_MOST_LOOKUPS = 10
_MOST_VOID_LOOKUPS = 2
_MOST_EXCHANGERS = 10
_MOST_NAMES = 10
_T = TypeVar("_T")


class SpfResolver(Protocol):
    """What SPF asks: `relay.resolver.Resolver`, or something like it."""

    async def a(self, host: str) -> tuple[IpAddress, ...]: ...
    async def aaaa(self, host: str) -> tuple[IpAddress, ...]: ...
    async def mx(self, domain: str) -> tuple[MxRecord, ...]: ...
    async def txt(self, name: str) -> tuple[str, ...]: ...
    async def ptr(self, ip: IpAddress) -> tuple[str, ...]: ...


class SpfFault(Exception):
    """The record cannot be followed: its owner's mistake, `permerror`."""


class Questions:
    """All questions about one client; raises ResolverTrouble where the DNS does not answer."""

    def __init__(self, resolver: SpfResolver, ip: IpAddress) -> None:
        self._resolver = resolver
        self._ip = ip
        self._lookups = 0
        self._voids = 0
        self._names: list[str] | None = None

    def count_lookup(self) -> None:
        """Say that a term asks the DNS; raises SpfFault for one too many."""
        self._lookups += 1
        if self._lookups > _MOST_LOOKUPS:
            raise SpfFault(f"more than {_MOST_LOOKUPS} terms ask the DNS")

    async def texts(self, name: str) -> tuple[str, ...]:
        """The TXT records; none of them is no fault."""
        try:
            return await self._resolver.txt(name)
        except _ABSENT:
            return ()

    async def exists(self, name: str) -> bool:
        """Whether there is an IPv4 address, for a client of either family (§5.7)."""
        return bool(await self._seen(self._resolver.a(name)))

    async def addresses(self, host: str) -> tuple[IpAddress, ...]:
        """Those of the client's family."""
        ask = self._resolver.a if self._ip.version == 4 else self._resolver.aaaa
        return await self._seen(ask(host))

    async def exchangers(self, domain: str) -> list[str]:
        """The hosts of its MX records; raises SpfFault for too many."""
        found = await self._seen(self._resolver.mx(domain))
        if len(found) > _MOST_EXCHANGERS:
            raise SpfFault(f"{domain} has more than {_MOST_EXCHANGERS} exchangers")
        return [exchanger.host for exchanger in found if exchanger.host]

    async def validated_names(self) -> list[str]:
        """The names of the client's address that lead back to it (§5.5); a DNS in trouble gives none."""
        if self._names is None:
            try:
                names = await self._resolver.ptr(self._ip)
            except ResolutionError:
                names = ()
            self._names = [name for name in names[:_MOST_NAMES] if await self._leads_back(name)]
        return self._names

    async def _leads_back(self, name: str) -> bool:
        ask = self._resolver.a if self._ip.version == 4 else self._resolver.aaaa
        try:
            return self._ip in await ask(name)
        except ResolutionError:
            return False

    async def _seen(self, question: Awaitable[tuple[_T, ...]]) -> tuple[_T, ...]:
        """The records, or none of them: of such answers a record may cause two."""
        try:
            return await question
        except _ABSENT:
            self._voids += 1
            if self._voids > _MOST_VOID_LOOKUPS:
                raise SpfFault(f"more than {_MOST_VOID_LOOKUPS} questions had no answer") from None
            return ()
