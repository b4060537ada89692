"""A DNS in memory for SPF and DMARC: what it holds, it answers at once.

`zone` maps names to lists of {"TXT": …}, {"A": …}, {"MX": [10, host]} or the
word TIMEOUT, as the SPF test-suite writes them. A name with a TIMEOUT never
answers what it does not hold.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from relay.resolver import IpAddress, MxRecord, NameDoesNotExist, NoSuchRecord, ResolverTrouble

Zone = Mapping[str, Sequence[Any]]
_LONGEST_CHAIN = 16


class ZoneResolver:
    """`asked` lists every question as ("example.net", "MX")."""

    def __init__(self, zone: Zone) -> None:
        self._zone = {name.lower().rstrip("."): list(records) for name, records in zone.items()}
        self.asked: list[tuple[str, str]] = []

    async def a(self, host: str) -> tuple[IpAddress, ...]:
        return tuple(ipaddress.IPv4Address(ip) for ip in self._ask(host, "A"))

    async def aaaa(self, host: str) -> tuple[IpAddress, ...]:
        return tuple(ipaddress.IPv6Address(ip) for ip in self._ask(host, "AAAA"))

    async def mx(self, domain: str) -> tuple[MxRecord, ...]:
        found = self._ask(domain, "MX")
        return tuple(sorted((MxRecord(*record) for record in found), key=lambda mx: mx.preference))

    async def txt(self, name: str) -> tuple[str, ...]:
        found = self._ask(name, "TXT")
        return tuple("".join(record) if isinstance(record, list) else str(record) for record in found)

    async def ptr(self, ip: IpAddress) -> tuple[str, ...]:
        return tuple(name.lower().rstrip(".") for name in self._ask(ip.reverse_pointer, "PTR"))

    async def cname(self, name: str) -> str:
        return str(self._ask(name, "CNAME")[0])

    def _ask(self, name: str, record_type: str) -> list[Any]:
        self.asked.append((name, record_type))
        for _ in range(_LONGEST_CHAIN):
            records = self._records(name)
            found = [record[record_type] for record in records if record_type in record]
            aliases = [record["CNAME"] for record in records if "CNAME" in record]
            if found or not aliases:
                break
            name = aliases[0]
        if "TIMEOUT" in found or (not found and "TIMEOUT" in self._zone.get(name.lower().rstrip("."), ())):
            raise ResolverTrouble(f"{record_type} of {name}: no answer in time")
        if not found:
            raise NoSuchRecord(f"{record_type} of {name}: no such record")
        return found

    def _records(self, name: str) -> list[dict[str, Any]]:
        key = name.lower().rstrip(".")
        if key not in self._zone or any(not 0 < len(label) <= 63 for label in key.split(".")):
            raise NameDoesNotExist(f"{name}: no such name")
        return [record for record in self._zone[key] if isinstance(record, dict)]
