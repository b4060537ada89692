"""Ask the DNS, and tell "there is none" from "nobody could say".

The one home of dnspython. A name that does not exist and a record that does
not exist are facts about the far side; a server that fails, stays silent,
refuses or refers us elsewhere is trouble, and trouble is always temporary
(RFC 5321 §5.1). No search list is ever applied: a name is what it says.
"""

import asyncio
import copy
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.reversename

from relay.errors import PosthouseError

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_CACHED_ANSWERS = 50_000
_EDNS_PAYLOAD = 1232
_LONGEST_NEGATIVE = timedelta(minutes=5)
_LONGEST_POSITIVE = timedelta(days=1)


class ResolutionError(PosthouseError):
    """The question was not answered with records."""


class NameDoesNotExist(ResolutionError):
    """NXDOMAIN: nothing of any type is there."""


class NoSuchRecord(ResolutionError):
    """The name exists, but has no record of this type."""


class ResolverTrouble(ResolutionError):
    """SERVFAIL, silence, a refusal, a lame or broken answer: ask again later."""


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record. `host` is in lower case without the final dot; "" stands for the root (RFC 7505)."""

    preference: int
    host: str


class Resolver:
    """A stub resolver with a cache of its own; one question in flight per name and type.

    `nameservers` are "ip", "ip:port" or "[ip6]:port"; none means those of the
    system. `timeout` bounds each question as a whole, all servers together.
    """

    def __init__(self, nameservers: Sequence[str] = (), timeout: timedelta = timedelta(seconds=5)) -> None:
        self._resolver = _stub_resolver(of_system=not nameservers)
        if nameservers:
            self._resolver.nameservers = [parse_nameserver(text) for text in nameservers]
        self._resolver.cache = _CappedCache(_CACHED_ANSWERS)
        self._resolver.search = []
        self._resolver.lifetime = timeout.total_seconds()
        self._resolver.timeout = timeout.total_seconds() / 2
        self._resolver.use_edns(0, 0, _EDNS_PAYLOAD)
        self._asking: dict[tuple[dns.name.Name, str], asyncio.Task[dns.resolver.Answer]] = {}

    async def mx(self, domain: str) -> tuple[MxRecord, ...]:
        """The MX records of `domain`, lowest preference first; raises ResolutionError."""
        answer = await self._ask(domain, "MX")
        records = {MxRecord(record.preference, _text(record.exchange)) for record in answer}
        return tuple(sorted(records, key=lambda record: (record.preference, record.host)))

    async def addresses(self, host: str) -> tuple[IpAddress, ...]:
        """The A and then the AAAA records of `host`, aliases followed.

        One family in trouble does not hide the other. Raises ResolverTrouble
        when there is no address and either question was not answered.
        """
        answers = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True)
        found: list[IpAddress] = []
        for answer in answers:
            if isinstance(answer, dns.resolver.Answer):
                found += [ipaddress.ip_address(record.address) for record in answer]
        if found:
            return tuple(found)
        raise _gravest([answer for answer in answers if isinstance(answer, BaseException)])

    async def a(self, host: str) -> tuple[IpAddress, ...]:
        """The IPv4 addresses of `host` alone; raises ResolutionError."""
        return tuple(ipaddress.ip_address(record.address) for record in await self._ask(host, "A"))

    async def aaaa(self, host: str) -> tuple[IpAddress, ...]:
        """The IPv6 addresses of `host` alone; raises ResolutionError."""
        return tuple(ipaddress.ip_address(record.address) for record in await self._ask(host, "AAAA"))

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of `name`, the strings of each joined; bytes that are no UTF-8 are surrogates."""
        answer = await self._ask(name, "TXT")
        return tuple(b"".join(record.strings).decode("utf-8", "surrogateescape") for record in answer)

    async def ptr(self, ip: IpAddress) -> tuple[str, ...]:
        """The names that the reverse tree gives for `ip`."""
        answer = await self._ask(dns.reversename.from_address(str(ip)).to_text(), "PTR")
        return tuple(_text(record.target) for record in answer)

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses of those who are asked; empty on a system that names nobody."""
        return tuple(str(getattr(server, "address", server)) for server in self._resolver.nameservers)

    async def cname(self, name: str) -> str:
        """The target of the alias that stands at `name`; raises NoSuchRecord when there is none."""
        return _text((await self._ask(name, "CNAME"))[0].target)

    async def nameservers(self, domain: str) -> tuple[str, ...]:
        """The names of the servers that `domain` is delegated to."""
        return tuple(_text(record.target) for record in await self._ask(domain, "NS"))

    async def is_validated(self, name: str, record_type: str) -> bool:
        """Whether the nameserver vouches for the DNSSEC signature of its answer (AD, RFC 6840 §5.7-8).

        Asked past the cache. Its word is worth as much as the way to it: on
        this host, or on a network that is ours.
        """
        asking = copy.copy(self._resolver)
        asking.cache = None
        asking.flags = dns.flags.RD | dns.flags.AD
        answer = await self._resolve(_absolute(name), record_type, asking)
        return bool(answer.response.flags & dns.flags.AD)

    def forget(self) -> None:
        """Drop every cached answer, so that the next question is asked afresh."""
        self._resolver.cache.flush()

    async def _ask(self, name: str, record_type: str) -> dns.resolver.Answer:
        """One answer with at least one record; all who ask at the same time share one question."""
        key = (_absolute(name), record_type)
        if known := self._known(*key):
            return known
        task = self._asking.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._resolve(*key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _known(self, name: dns.name.Name, record_type: str) -> dns.resolver.Answer | None:
        """The records, if they are in the cache: that needs no question and no task."""
        key = (name, dns.rdatatype.from_text(record_type), dns.rdataclass.IN)
        answer: dns.resolver.Answer | None = self._resolver.cache.get(key)
        return answer if answer is not None and answer.rrset is not None else None

    def _asked(self, key: tuple[dns.name.Name, str], done: "asyncio.Task[dns.resolver.Answer]") -> None:
        if self._asking.get(key) is done:
            del self._asking[key]
        if not done.cancelled():
            done.exception()  # everybody who asked may have left

    async def _resolve(
        self, name: dns.name.Name, record_type: str, asking: dns.asyncresolver.Resolver | None = None
    ) -> dns.resolver.Answer:
        shown = f"{record_type} of {_text(name) or 'the root'}"
        try:
            asking = asking or self._resolver
            answer = await asking.resolve(name, record_type, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            raise NameDoesNotExist(f"{shown}: no such name") from None
        except dns.resolver.LifetimeTimeout:
            raise ResolverTrouble(f"{shown}: no answer in time") from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise ResolverTrouble(f"{shown}: {_in_short(error)}") from error
        if answer.rrset is None:
            raise _why_empty(answer, shown)
        return answer


class _CappedCache(dns.resolver.LRUCache):
    """Answers live as long as they say, within our limits: a "no" is asked again after minutes.

    What refers us elsewhere is no answer.
    """

    def put(self, key: Any, value: dns.resolver.Answer) -> None:
        if value.rrset is None and _is_lame(value):
            return
        limit = _LONGEST_NEGATIVE if value.rrset is None else _LONGEST_POSITIVE
        # dnspython judges its cache by the wall clock, and so must the cap.
        latest = time.time() + limit.total_seconds()  # noqa: TID251
        value.expiration = min(value.expiration, latest)
        super().put(key, value)

    def get(self, key: Any) -> dns.resolver.Answer | None:
        """What was put there before the clock was set back is not known any more: it would live too long."""
        value: dns.resolver.Answer | None = super().get(key)
        if value is None:
            return None
        limit = _LONGEST_NEGATIVE if value.rrset is None else _LONGEST_POSITIVE
        lifetime = min(value.chaining_result.minimum_ttl, limit.total_seconds())
        return value if value.expiration - time.time() <= lifetime else None  # noqa: TID251


def _stub_resolver(*, of_system: bool) -> dns.asyncresolver.Resolver:
    """With the system's servers, or none; on a system that names none, every question is trouble."""
    try:
        return dns.asyncresolver.Resolver(configure=of_system)
    except dns.resolver.NoResolverConfiguration:
        return dns.asyncresolver.Resolver(configure=False)


def parse_nameserver(text: str) -> dns.nameserver.Nameserver:
    """`ip`, `ip:port` or `[ip6]:port`; raises ValueError for anything else."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, port = text.split(":")
    return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(host)), int(port))


@lru_cache(maxsize=4096)
def _absolute(name: str) -> dns.name.Name:
    """The name as it stands; one that the DNS cannot even express does not exist in it."""
    try:
        return dns.name.from_text(name.lower(), dns.name.root)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise NameDoesNotExist(f"{name[:80]!r} is no name: {_in_short(error)}") from None


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _why_empty(answer: dns.resolver.Answer, shown: str) -> ResolutionError:
    """No data is a fact when the zone's SOA says so or a resolver vouches; a referral is lameness."""
    if _is_lame(answer):
        return ResolverTrouble(f"{shown}: the server refers us elsewhere (lame)")
    return NoSuchRecord(f"{shown}: no such record")


def _is_lame(answer: dns.resolver.Answer) -> bool:
    refers_on = any(rrset.rdtype == dns.rdatatype.NS for rrset in answer.response.authority)
    return refers_on and not answer.response.flags & (dns.flags.AA | dns.flags.RA)


def _gravest(errors: Sequence[BaseException]) -> BaseException:
    """What no address means: an error of ours, trouble, or a fact, in this order."""
    ranks: list[Callable[[BaseException], bool]] = [
        lambda error: not isinstance(error, ResolutionError),
        lambda error: isinstance(error, ResolverTrouble),
        lambda error: isinstance(error, NoSuchRecord),
    ]
    for fits in ranks:
        for error in errors:
            if fits(error):
                return error
    return errors[0]


def _in_short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:200]


__all__ = [
    "IpAddress",
    "MxRecord",
    "NameDoesNotExist",
    "NoSuchRecord",
    "ResolutionError",
    "Resolver",
    "ResolverTrouble",
    "parse_nameserver",
]
