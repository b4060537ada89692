"""Does the author's domain vouch for the message, and what does it ask for if not? DMARC, by RFC 9989.

SPF and DKIM count where their domain is the author's or, if the record is
relaxed, of the same organization. There is no sampling (`pct`): it is history.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from inbound.authenticate.dmarc_record import DmarcRecord, DmarcResolver, Policy, Tree, Walk
from inbound.authenticate.results import DkimResult, DmarcResult, SpfResult, Verdict, plain
from relay.address import InvalidAddress, is_literal, parse_domain
from relay.message.headers import Header, MalformedHeader, addresses_of
from relay.resolver import ResolverTrouble

_MOST_WALKS = 10
_MILDER: Mapping[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_AFTER_AT = re.compile(r"@([^@\s<>()\[\]\",;:\\]+)")


def author_domain(header: bytes) -> str:
    """The one domain of all authors in From, in A-labels; empty where it is missing or unclear (§5.3.1)."""
    try:
        [value] = Header.parse(header).all("From")
        domains = _domains(value)
    except (MalformedHeader, ValueError):
        return ""
    return domains.pop() if len(domains) == 1 else ""


def _domains(value: str) -> set[str]:
    try:
        return {address.domain for address in addresses_of(value)}
    except InvalidAddress:
        # Many write `ann@a.test <ann@a.test>`. If there is one domain whichever way it is read, that is it.
        found = _AFTER_AT.findall(value)
        return {parse_domain(text) for text in found} if value.count("@") == len(found) else set()


async def evaluate(
    resolver: DmarcResolver, author: str, spf: SpfResult, dkim: Collection[DkimResult]
) -> DmarcResult:
    """The verdict for mail by `author`, as `author_domain` gives it; never raises but on cancellation."""
    if not author:
        return DmarcResult("permerror", reason="From does not name one domain")
    if is_literal(author):
        return DmarcResult("none", author, reason="an address literal has no policy")
    try:
        return await _evaluate(Tree(resolver), author, spf, dkim)
    except ResolverTrouble as trouble:
        return DmarcResult("temperror", author, reason=plain(str(trouble)))


async def _evaluate(tree: Tree, author: str, spf: SpfResult, dkim: Collection[DkimResult]) -> DmarcResult:
    walk = await tree.walk(author)
    place, record = _applicable(walk)
    if record is None or record.p is None:
        return DmarcResult("none", author, reason="no policy")
    alignment = _Alignment(tree, walk, record)
    by = await alignment.of_verdict("pass", spf, dkim)
    policy = await _policy(tree, author, place, record, passes=bool(by))
    if by:
        return DmarcResult("pass", author, place, policy, by)
    if alignment.trouble is not None:
        raise alignment.trouble
    if undecided := await alignment.of_verdict("temperror", spf, dkim):
        return DmarcResult("temperror", author, place, policy, reason=f"{undecided} could not be decided")
    return DmarcResult("fail", author, place, policy, reason="neither SPF nor DKIM is aligned")


def _applicable(walk: Walk) -> tuple[str, DmarcRecord | None]:
    """The author's own record, or the organization's, or that of the public suffix above (§4.10.1).

    Raises ResolverTrouble where the DNS kept it from being found.
    """
    records = dict(walk.found)
    if walk.domain in records:
        return walk.domain, records[walk.domain]
    if walk.trouble is not None:
        raise walk.trouble
    if walk.organization in records:
        return walk.organization, records[walk.organization]
    return walk.found[-1] if walk.found and walk.found[-1][1].psd == "y" else ("", None)


async def _policy(tree: Tree, author: str, place: str, record: DmarcRecord, *, passes: bool) -> Policy:
    """What is asked for mail of `author` that fails; one step less in a test.

    Raises ResolverTrouble if it cannot be known, and is needed.
    """
    assert record.p is not None
    policy = record.p
    if place != author:
        policy = record.sp or record.p
        if record.np is not None and record.np != policy and not await _exists(tree, author, passes):
            policy = record.np
    return _MILDER[policy] if record.testing else policy


async def _exists(tree: Tree, author: str, passes: bool) -> bool:
    try:
        return await tree.exists(author)
    except ResolverTrouble:
        if passes:
            return True
        raise


class _Alignment:
    """Which domains are of the author's organization; `trouble` is why that of some is not known."""

    def __init__(self, tree: Tree, author: Walk, record: DmarcRecord) -> None:
        self._tree = tree
        self._author = author
        self._record = record
        self._walks = 0
        self.trouble: ResolverTrouble | None = None

    async def of_verdict(
        self, verdict: Verdict, spf: SpfResult, dkim: Collection[DkimResult]
    ) -> Literal["", "spf", "dkim"]:
        """What has that verdict on an aligned domain. The name in HELO is nobody's author."""
        by_dkim = [one.domain for one in dkim if one.verdict == verdict]
        if await self._of_any(by_dkim, strict=self._record.strict_dkim):
            return "dkim"
        by_spf = [spf.domain] if spf.verdict == verdict and spf.scope == "mfrom" else []
        return "spf" if await self._of_any(by_spf, strict=self._record.strict_spf) else ""

    async def _of_any(self, domains: Iterable[str], *, strict: bool) -> bool:
        spelled = [domain for domain in map(_spelled, domains) if domain]
        if self._author.domain in spelled:
            return True
        if strict:
            return False
        for domain in dict.fromkeys(spelled):
            if await self._is_related(domain):
                return True
        return False

    async def _is_related(self, domain: str) -> bool:
        if domain.rpartition(".")[2] != self._author.domain.rpartition(".")[2]:
            return False
        if self._author.trouble is not None:
            self.trouble = self._author.trouble
            return False
        organization = self._author.organization
        if domain != organization and not domain.endswith(f".{organization}"):
            return False
        if self._walks == _MOST_WALKS:
            return False
        self._walks += 1
        walk = await self._tree.walk(domain)
        self.trouble = self.trouble or walk.trouble
        return walk.trouble is None and walk.organization == organization


def _spelled(domain: str) -> str:
    try:
        return parse_domain(domain.rstrip("."))
    except InvalidAddress:
        return ""
