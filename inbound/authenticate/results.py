"""What the checks of a sender say, and the header field that tells of it (RFC 8601)."""

import re
from typing import Literal, TypeAlias

import msgspec

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_REASON = 300

Verdict: TypeAlias = Literal[
    "pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"
]


class SpfResult(msgspec.Struct, frozen=True):
    """RFC 7208. `domain` is the one that was checked; `scope` which name of the client it stands in.

    `explanation` is what the domain wants a sender to be told whom it fails:
    a stranger's words, empty where there are none.
    """

    verdict: Verdict
    domain: str = ""
    scope: Literal["mfrom", "helo"] = "mfrom"
    reason: str = ""
    explanation: str = ""


class DkimResult(msgspec.Struct, frozen=True):
    """One signature (RFC 6376). A body that is signed in part only (`l=`) never passes: `policy`."""

    verdict: Verdict
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""
    reason: str = ""


class DmarcResult(msgspec.Struct, frozen=True):
    """RFC 9989. `domain` is the author's, `record_domain` where the policy was found.

    `policy` is what its owner asks for; empty where there is no record.
    `aligned` names what made it pass.
    """

    verdict: Verdict
    domain: str = ""
    record_domain: str = ""
    policy: Literal["", "none", "quarantine", "reject"] = ""
    aligned: Literal["", "spf", "dkim"] = ""
    reason: str = ""


class ArcResult(msgspec.Struct, frozen=True):
    """RFC 8617. `sealers` are the domains that sealed the chain, oldest first."""

    verdict: Verdict = "none"
    sealers: tuple[str, ...] = ()
    reason: str = ""


class Authentication(msgspec.Struct, frozen=True):
    """All verdicts on one message; `from_domain` is the author's domain, empty where unclear."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    from_domain: str = ""

    @property
    def is_authentic(self) -> bool:
        """Whether the author's domain vouches for it."""
        return self.dmarc.verdict == "pass"


def plain(text: str) -> str:
    """A stranger's words as they may be stored and shown: one line of Unicode, cut at 300 characters."""
    return _UNSHOWABLE.sub("\ufffd", text[:_LONGEST_REASON])
