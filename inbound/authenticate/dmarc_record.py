"""DMARC's records, and the walk up the tree that finds them (RFC 9989 §4.7, §4.10).

At most eight questions for each domain: its own name, then the last seven
labels and upwards, until a record says where the organization ends.
"""

import re
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast

from relay.resolver import IpAddress, NameDoesNotExist, NoSuchRecord, ResolverTrouble

Policy: TypeAlias = Literal["none", "quarantine", "reject"]

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_REPORT_TO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]*\Z")
_POLICIES = ("none", "quarantine", "reject")
_MOST_LABELS = 7


class DmarcResolver(Protocol):
    """What DMARC asks: `relay.resolver.Resolver`, or something like it."""

    async def a(self, host: str) -> tuple[IpAddress, ...]: ...
    async def txt(self, name: str) -> tuple[str, ...]: ...
    async def cname(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy. `p` is None where the record asks for nothing that could be done."""

    p: Policy | None = None
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: Literal["y", "n", "u"] = "u"
    testing: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """The records met on the way up from `domain`, longest name first, and what cut the way short."""

    domain: str
    found: tuple[tuple[str, DmarcRecord], ...]
    trouble: ResolverTrouble | None = None

    @property
    def organization(self) -> str:
        """The organizational domain (§4.10.2); only of a walk that came to its end."""
        for name, record in self.found:
            if record.psd == "n":
                return name
            if record.psd == "y" and name != self.domain:
                return ".".join(self.domain.split(".")[-name.count(".") - 2 :])
        return self.found[-1][0] if self.found else self.domain


def parse_record(text: str) -> DmarcRecord | None:
    """The record, or None for a text that is none, a tag given twice among them (RFC 6376 §3.2)."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = (piece.strip(" \t") for piece in part.partition("="))
        if equals and name in tags:
            return None
        tags[name] = value
    return DmarcRecord(
        *_policies(tags),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        psd={"y": "y", "n": "n"}.get(tags.get("psd", "").lower(), "u"),  # type: ignore[arg-type]
        testing=tags.get("t", "").lower() == "y",
    )


def _policies(tags: dict[str, str]) -> tuple[Policy | None, Policy | None, Policy | None]:
    """p, sp, np. If one is not valid, a record that wants reports is p=none, any other nothing (§4.10.1)."""
    values = [tags[name].lower() if name in tags else None for name in ("p", "sp", "np")]
    if values[0] and all(value is None or value in _POLICIES for value in values):
        return cast("tuple[Policy, Policy | None, Policy | None]", tuple(values))
    wants_reports = any(_REPORT_TO.match(uri.strip(" \t")) for uri in tags.get("rua", "").split(","))
    return ("none" if wants_reports else None), None, None


class Tree:
    """The records of one message's domains; each name is asked for once."""

    def __init__(self, resolver: DmarcResolver) -> None:
        self._resolver = resolver
        self._records: dict[str, DmarcRecord | None] = {}

    async def walk(self, domain: str) -> Walk:
        """From `domain` upwards. Never raises for the DNS: trouble stands in the walk."""
        found: list[tuple[str, DmarcRecord]] = []
        labels = domain.split(".")
        while labels:
            name = ".".join(labels)
            try:
                record = await self._record(name)
            except ResolverTrouble as trouble:
                return Walk(domain, tuple(found), trouble)
            if record is not None:
                found.append((name, record))
                if record.psd != "u":
                    break
            labels = labels[-_MOST_LABELS:] if len(labels) > _MOST_LABELS else labels[1:]
        return Walk(domain, tuple(found))

    async def exists(self, domain: str) -> bool:
        """Whether anything of any type is there (§4.10.1); raises ResolverTrouble."""
        try:
            await self._resolver.a(domain)
        except NoSuchRecord:
            return True
        except NameDoesNotExist:
            return await self._is_alias(domain)
        return True

    async def _is_alias(self, domain: str) -> bool:
        """An alias of nothing is there all the same."""
        try:
            await self._resolver.cname(domain)
        except (NoSuchRecord, NameDoesNotExist):
            return False
        return True

    async def _record(self, name: str) -> DmarcRecord | None:
        if name not in self._records:
            self._records[name] = await self._ask(f"_dmarc.{name}")
        return self._records[name]

    async def _ask(self, name: str) -> DmarcRecord | None:
        try:
            texts = await self._resolver.txt(name)
        except (NoSuchRecord, NameDoesNotExist):
            return None
        found = [text for text in texts if _VERSION.match(text.strip(" \t"))]
        return parse_record(found[0].strip(" \t")) if len(found) == 1 else None
