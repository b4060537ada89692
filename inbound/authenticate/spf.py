"""May this client send for this domain? SPF, by RFC 7208.

Of a record, one fault spoils everything: `permerror` is its owner's mistake.
A DNS that does not answer is `temperror`: it says nothing about the sender.
"""

import ipaddress
from collections.abc import Mapping

from inbound.authenticate.results import SpfResult, Verdict, plain
from inbound.authenticate.spf_macros import (
    MacroString,
    MalformedMacro,
    expand,
    expand_domain,
    names_of,
    parse_explanation,
)
from inbound.authenticate.spf_questions import Questions, SpfFault, SpfResolver
from inbound.authenticate.spf_record import MalformedRecord, Mechanism, Record, is_spf, parse_record
from relay.resolver import IpAddress, ResolverTrouble

_QUALIFIERS: Mapping[str, Verdict] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


async def check_host(
    resolver: SpfResolver,
    ip: str,
    domain: str,
    sender: str,
    helo: str,
    *,
    receiver: str = "unknown",
    at: int = 0,
) -> SpfResult:
    """The verdict of `domain` on a client at `ip` (RFC 7208 §4); never raises but on cancellation.

    `sender` is the reverse path; without a local part it is postmaster's.
    `receiver` and `at` (seconds since the epoch) may be named in explanations.
    """
    client = ipaddress.ip_address(ip.partition("%")[0])
    client = getattr(client, "ipv4_mapped", None) or client
    sender = sender if "@" in sender else f"postmaster@{sender or domain}"
    known = _known(client, sender) | {"h": helo, "r": receiver, "t": str(at)}
    check, shown = _Check(Questions(resolver, client), client, known), plain(domain)
    try:
        verdict, why = await check.judge(domain)
    except (SpfFault, MalformedRecord) as error:
        return SpfResult("permerror", shown, reason=plain(str(error)))
    except ResolverTrouble as error:
        return SpfResult("temperror", shown, reason=plain(str(error)))
    return SpfResult(verdict, shown, reason=plain(why), explanation=plain(check.explanation))


class _Check:
    """One evaluation; `explanation` is what the domain says to whom it turns away."""

    def __init__(self, questions: Questions, ip: IpAddress, known: Mapping[str, str]) -> None:
        self._questions = questions
        self._ip = ip
        self._known = known
        self.explanation = ""

    async def judge(self, domain: str, *, included: bool = False) -> tuple[Verdict, str]:
        """check_host() for one domain: a verdict and the term that gave it."""
        if not _is_fully_qualified(domain):
            return "none", "not a fully qualified domain name"
        record = await self._record(domain)
        if record is None:
            return "none", "no record"
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                verdict = _QUALIFIERS[mechanism.qualifier]
                if verdict == "fail" and not included:
                    self.explanation = await self._explain(record, domain)
                return verdict, mechanism.text
        if record.redirect is None:
            return "neutral", "no term matched"
        return await self._redirected(record.redirect, domain, included=included)

    async def _record(self, domain: str) -> Record | None:
        found = [text for text in await self._questions.texts(domain) if is_spf(text)]
        if len(found) > 1:
            raise SpfFault(f"{domain} has more than one record")
        return parse_record(found[0]) if found else None

    async def _redirected(self, macros: MacroString, domain: str, *, included: bool) -> tuple[Verdict, str]:
        self._questions.count_lookup()
        target = await self._domain(macros, domain)
        verdict, why = await self.judge(target, included=included)
        if verdict == "none":
            raise SpfFault(f"redirect to {target}, which has no record")
        return verdict, why

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._ip.version == mechanism.network.version and self._ip in mechanism.network
        self._questions.count_lookup()
        target = await self._domain(mechanism.domain, domain)
        match mechanism.name:
            case "include":
                return await self._includes(target)
            case "a":
                return self._is_near(await self._questions.addresses(target), mechanism)
            case "mx":
                return await self._is_near_exchanger(target, mechanism)
            case "ptr":
                return any(_is_within(name, target) for name in await self._questions.validated_names())
            case _:
                return await self._questions.exists(target)

    async def _includes(self, target: str) -> bool:
        verdict, _ = await self.judge(target, included=True)
        if verdict == "none":
            raise SpfFault(f"include of {target}, which has no record")
        return verdict == "pass"

    async def _is_near_exchanger(self, target: str, mechanism: Mechanism) -> bool:
        for host in await self._questions.exchangers(target):
            if self._is_near(await self._questions.addresses(host), mechanism):
                return True
        return False

    def _is_near(self, addresses: tuple[IpAddress, ...], mechanism: Mechanism) -> bool:
        length = mechanism.length4 if self._ip.version == 4 else mechanism.length6
        return any(
            self._ip in ipaddress.ip_network(f"{address}/{length}", strict=False) for address in addresses
        )

    async def _domain(self, macros: MacroString | None, domain: str) -> str:
        if macros is None:
            return domain
        return expand_domain(macros, await self._values(macros, domain))

    async def _values(self, macros: MacroString, domain: str) -> Mapping[str, str]:
        values = {**self._known, "d": domain}
        if "p" in names_of(macros):
            names = await self._questions.validated_names()
            nearest = [name for name in names if name == domain.lower()]
            nearest += [name for name in names if _is_within(name, domain)]
            values["p"] = next(iter([*nearest, *names]), "unknown")
        return values

    async def _explain(self, record: Record, domain: str) -> str:
        """What the domain wants the sender to be told; nothing where that cannot be had (§6.2)."""
        if record.explanation is None:
            return ""
        try:
            [text] = await self._questions.texts(await self._domain(record.explanation, domain))
            macros = parse_explanation(text)
            return expand(macros, await self._values(macros, domain))
        except (ResolverTrouble, MalformedMacro, ValueError):
            return ""


def _known(ip: IpAddress, sender: str) -> dict[str, str]:
    """The values of macros that are the same for every domain of a check (§7.2)."""
    local, _, of = sender.rpartition("@")
    local = local or "postmaster"
    nibbles = ".".join(ip.exploded.replace(":", "").upper())
    return {
        "s": f"{local}@{of}",
        "l": local,
        "o": of,
        "v": "in-addr" if ip.version == 4 else "ip6",
        "i": str(ip) if ip.version == 4 else nibbles,
        "c": str(ip),
    }


def _is_fully_qualified(domain: str) -> bool:
    labels = domain.removesuffix(".").encode("utf-8", "replace").split(b".")
    fits = len(domain) <= 254 and all(0 < len(label) <= 63 for label in labels)
    return fits and len(labels) > 1 and not domain.startswith("[")


def _is_within(name: str, domain: str) -> bool:
    domain = domain.lower().rstrip(".")
    return name == domain or name.endswith(f".{domain}")
