"""Ask all four about one message, in the time there is.

SPF and the keys are asked for at once, the signatures are checked elsewhere,
DMARC weighs what came out. What is not known when time is up is `temperror`;
nothing that a stranger's DNS or message does raises here.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Literal, Protocol, TypeGuard, TypeVar

import msgspec

from inbound.authenticate import dmarc
from inbound.authenticate.arc import is_sealed
from inbound.authenticate.dkim import key_names, undecided
from inbound.authenticate.dmarc_record import DmarcResolver
from inbound.authenticate.public_key import fetch_keys
from inbound.authenticate.results import ArcResult, Authentication, DmarcResult, SpfResult, plain
from inbound.authenticate.signatures import SignatureCheck, Signatures
from inbound.authenticate.spf import check_host
from inbound.authenticate.spf_questions import SpfResolver
from relay.address import ReversePath
from relay.clock import Clock, SystemClock, to_us

Verify = Callable[[SignatureCheck], Awaitable[Signatures]]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_LATE = "it was not known in time"
# Of the whole time: DMARC has the rest.
_SHARE_OF_KEYS = 0.4
_SHARE_OF_EVIDENCE = 0.7


class SenderResolver(SpfResolver, DmarcResolver, Protocol):
    """All that is asked: `relay.resolver.Resolver`, or something like it."""


class Judge:
    """Says who sent a message. `verify` checks its signatures where they can do no harm.

    `timeout` bounds one judgement as a whole. `hostname` is how an
    explanation of SPF may call us.
    """

    def __init__(
        self,
        resolver: SenderResolver,
        verify: Verify,
        timeout: timedelta = timedelta(seconds=10),
        *,
        clock: Clock | None = None,
        hostname: str = "unknown",
    ) -> None:
        self._resolver = resolver
        self._verify = verify
        self._seconds = timeout.total_seconds()
        self._clock = clock or SystemClock()
        self._hostname = hostname

    async def judge(
        self,
        client: str | None,
        helo: str | None,
        reverse_path: ReversePath | str,
        header: bytes,
        body: bytes | None,
        body_file: str | None,
    ) -> Authentication:
        """All verdicts; never raises but on cancellation. `client` is None if no connection brought it."""
        ends_at = asyncio.get_running_loop().time() + self._seconds
        sender = str(reverse_path)
        domain = plain(sender.rpartition("@")[2] or helo or "")
        no_spf = SpfResult("temperror", domain, _scope(sender), _LATE)
        share = self._seconds * _SHARE_OF_EVIDENCE
        spf, signatures = await asyncio.gather(
            _within(share, self._spf(client, helo or "", sender), lambda: no_spf),
            _within(share, self._signatures(header, body, body_file), partial(_no_signatures, header)),
        )
        author = dmarc.author_domain(header)
        left = ends_at - asyncio.get_running_loop().time()
        no_dmarc = DmarcResult("temperror", author, reason=_LATE)
        weighing = dmarc.evaluate(self._resolver, author, spf, signatures.dkim)
        verdict = await _within(left, weighing, lambda: no_dmarc)
        return Authentication(spf, signatures.dkim, verdict, signatures.arc, author)

    async def _spf(self, client: str | None, helo: str, sender: str) -> SpfResult:
        domain = sender.rpartition("@")[2] or helo
        if not _is_address(client):
            return SpfResult("none", plain(domain), _scope(sender), "it came without a connection")
        at = to_us(self._clock.now()) // 1_000_000
        result = await check_host(
            self._resolver, client, domain, sender, helo, receiver=self._hostname, at=at
        )
        return msgspec.structs.replace(result, scope=_scope(sender))

    async def _signatures(self, header: bytes, body: bytes | None, body_file: str | None) -> Signatures:
        names = key_names(header)
        if not names:
            nothing = _no_signatures(header)
            if not nothing.dkim and nothing.arc.verdict == "none":
                return nothing
        keys = await fetch_keys(self._resolver, names, self._seconds * _SHARE_OF_KEYS)
        at = to_us(self._clock.now())
        return await self._verify(SignatureCheck(header, body, body_file, keys, at))


async def _within(seconds: float, work: Awaitable[_T], otherwise: Callable[[], _T]) -> _T:
    """What `work` gives, or what `otherwise` does when it takes too long or breaks."""
    try:
        return await asyncio.wait_for(work, max(seconds, 0))
    except TimeoutError:
        return otherwise()
    except Exception:
        _log.exception("a check of a sender broke; its verdict is temperror")
        return otherwise()


def _is_address(client: str | None) -> TypeGuard[str]:
    try:
        return client is not None and bool(ipaddress.ip_address(client))
    except ValueError:
        return False


def _scope(sender: str) -> Literal["mfrom", "helo"]:
    """A null reverse path leaves only the name in HELO (RFC 7208 §2.4)."""
    return "mfrom" if sender else "helo"


def _no_signatures(header: bytes) -> Signatures:
    arc = ArcResult("temperror", reason=_LATE) if is_sealed(header) else ArcResult()
    return Signatures(tuple(undecided(header, _LATE)), arc)
