"""Ask the DNS for one record that should be there, and judge what stands there.

An MX is right when mail really comes here: among the most preferred
exchangers is our host name, or a host with an address of ours. Being a
second choice is not enough, because then another server takes the mail.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from relay.resolver import IpAddress, MxRecord, NameDoesNotExist, NoSuchRecord, ResolutionError, Resolver
from relay.tenants.dns_judge import Judgement, Verdict, judge
from relay.tenants.dns_records import DnsRecord, data_of
from relay.tenants.domain_checks import Seen


@dataclass(frozen=True, slots=True)
class RecordLook:
    """One record as expected and as found. `seen` is UNKNOWN when the DNS gave no answer.

    `note` tells people what to do; empty when there is nothing to do.
    """

    record: DnsRecord
    found: tuple[str, ...]
    seen: Seen
    judgement: Judgement | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The look as JSON says it."""
        return {
            "type": self.record.type,
            "name": self.record.name,
            "purpose": self.record.purpose,
            "required": self.record.required,
            "expected": data_of(self.record),
            "found": list(self.found),
            "ok": None if self.seen is Seen.UNKNOWN else self.seen is Seen.YES,
            "judgement": self.judgement or "unknown",
            "note": self.note,
        }


async def look_at_all(
    resolver: Resolver, records: Iterable[DnsRecord], addresses: Collection[IpAddress]
) -> tuple[RecordLook, ...]:
    """A look at each record, all at once; `addresses` are ours. Never raises for what the DNS does."""
    return tuple(await asyncio.gather(*(look_at(resolver, record, addresses) for record in records)))


async def look_at(resolver: Resolver, record: DnsRecord, addresses: Collection[IpAddress]) -> RecordLook:
    """One look; takes the resolver's timeout at most, up to three times that where names lead on."""
    try:
        if record.type == "MX":
            return await _look_at_mx(resolver, record, addresses)
        if record.type == "CNAME":
            return await _look_at_cname(resolver, record, addresses)
        return _judged(record, tuple(map(_printable, await resolver.txt(record.name))))
    except (NameDoesNotExist, NoSuchRecord):
        return _judged(record, ())
    except ResolutionError as trouble:
        return RecordLook(record, (), Seen.UNKNOWN, None, f"the DNS did not answer: {trouble}")


async def addresses_of_host(
    resolver: Resolver, hostname: str, known: Sequence[IpAddress]
) -> frozenset[IpAddress]:
    """Every address that is ours: those that are known, and those of our host name where it has any."""
    try:
        return frozenset(known) | frozenset(await resolver.addresses(hostname))
    except ResolutionError:
        return frozenset(known)


async def _look_at_mx(resolver: Resolver, record: DnsRecord, addresses: Collection[IpAddress]) -> RecordLook:
    exchangers = await resolver.mx(record.name)
    found = tuple(f"{mx.preference} {mx.host}" for mx in exchangers)
    first = [mx for mx in exchangers if mx.preference == exchangers[0].preference]
    if await _any_is_ours(resolver, first, record.value, addresses):
        return RecordLook(record, found, Seen.YES, Judgement.RIGHT)
    looked = _judged(record, found)
    if looked.judgement is Judgement.RIGHT:
        note = f"mail for {record.name} goes to {first[0].host or 'nobody'} first; give this host the lowest"
        return RecordLook(record, found, Seen.NO, Judgement.WRONG, note)
    return looked


async def _look_at_cname(
    resolver: Resolver, record: DnsRecord, addresses: Collection[IpAddress]
) -> RecordLook:
    """The alias, or addresses of the host that it should lead to: not every DNS host has aliases."""
    try:
        return _judged(record, (await resolver.cname(record.name),))
    except NoSuchRecord:
        found = await resolver.addresses(record.name)
    ours = frozenset(addresses) | frozenset(await _addresses_or_none(resolver, record.value))
    shown = tuple(map(str, found))
    if set(found) & ours:
        return RecordLook(record, shown, Seen.YES, Judgement.RIGHT)
    return _judged(record, shown)


async def _addresses_or_none(resolver: Resolver, host: str) -> Sequence[IpAddress]:
    try:
        return await resolver.addresses(host)
    except (NameDoesNotExist, NoSuchRecord):
        return ()


async def _any_is_ours(
    resolver: Resolver, exchangers: Sequence[MxRecord], hostname: str, addresses: Collection[IpAddress]
) -> bool:
    """By name, else by address; raises ResolverTrouble when the addresses cannot be learnt."""
    hosts = [mx.host for mx in exchangers if mx.host]
    if hostname.lower() in hosts:
        return True
    for host in hosts if addresses else ():
        try:
            if set(addresses) & set(await resolver.addresses(host)):
                return True
        except (NameDoesNotExist, NoSuchRecord):
            continue
    return False


def _judged(record: DnsRecord, found: tuple[str, ...]) -> RecordLook:
    verdict: Verdict = judge(record, found)
    # What only a full evaluation can tell is not held against the domain.
    seen = Seen.NO if verdict.judgement in (Judgement.MISSING, Judgement.WRONG) else Seen.YES
    return RecordLook(record, found, seen, verdict.judgement, verdict.note)


def _printable(text: str) -> str:
    """Text from afar as it may be kept and shown: no control characters, no lone surrogates."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in clean)[:4096]
