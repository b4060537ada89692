"""What follows from the looks: may the domain send, do bounces, mail and tracked links come here?

Sending needs one required DKIM key (RSA) that stands in the DNS exactly as
we hold it: who can publish it owns the domain, and one believed signature is
enough. SPF, DMARC and the Ed25519 key are advice. A domain without an RSA key
may show any other. Whatever was not answered decides nothing.
"""

from collections.abc import Iterable, Sequence

from relay.tenants.domain_checks import DomainCheck, Seen
from relay.tenants.domains import Domain
from relay.verification.look import RecordLook


def decide(domain: Domain, hostname: str, looks: Sequence[RecordLook]) -> DomainCheck:
    """The conclusions for `domain`; what its owner vouched for is never denied."""
    keys = [look for look in looks if "._domainkey." in look.record.name]
    required = [look for look in keys if look.record.required]
    bounces, receiving = (
        _spare_assumed(domain, _any(look for look in looks if _is_mx(look, name)))
        for name in (f"bounces.{domain.name}", domain.name)
    )
    return DomainCheck(
        sending=_any(required or keys),
        bounces=bounces,
        receiving=receiving,
        tracking=_spare_assumed(domain, _any(look for look in looks if look.record.type == "CNAME")),
        details={"hostname": hostname, "records": [look.as_dict() for look in looks]},
    )


def _any(looks: Iterable[RecordLook]) -> Seen:
    """YES when one is there; NO only when something was asked and every answer says no."""
    seen = {look.seen for look in looks}
    if Seen.YES in seen:
        return Seen.YES
    return Seen.NO if seen == {Seen.NO} else Seen.UNKNOWN


def _spare_assumed(domain: Domain, seen: Seen) -> Seen:
    assumed = bool(domain.check_result.get("assumed"))
    return Seen.UNKNOWN if assumed and seen is Seen.NO else seen


def _is_mx(look: RecordLook, name: str) -> bool:
    return look.record.type == "MX" and look.record.name == name
