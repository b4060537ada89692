"""The nameserver: does it answer, does it tell "no" from trouble, does it check signatures?

A resolver that answers what does not exist with an address of its own turns
every mistyped domain into mail for its owner's server. DNSSEC is not needed
to send; DANE (RFC 7672) can be believed only from a validating resolver.
"""

from ipaddress import ip_address

from relay.doctor.finding import Finding, Grade
from relay.resolver import NameDoesNotExist, NoSuchRecord, ResolutionError, Resolver

NOWHERE = "posthouse-asks-for-a-name-that-is-not-there.invalid"  # RFC 6761 §6.4
BOGUS = "dnssec-failed.org"  # kept wrongly signed on purpose, for tests like this one
_LOCAL = "127.0.0.53 of systemd-resolved, or an unbound on this machine, will do"


async def check_nameserver(resolver: Resolver, *, signed: str = ".", bogus: str = BOGUS) -> list[Finding]:
    """Three findings, or one when nobody answers."""
    servers = ", ".join(resolver.servers) or "none is configured"
    try:
        validates = await resolver.is_validated(signed, "NS")
    except ResolutionError as trouble:
        advice = "set dns.nameservers, or mend /etc/resolv.conf; until then mail waits"
        return [
            Finding("nameserver", Grade.PROBLEM, "an answer about the root", f"{servers}: {trouble}", advice)
        ]
    answers = Finding("nameserver", Grade.OK, "an answer about the root", servers)
    return [answers, await _check_nowhere(resolver), await _check_dnssec(resolver, validates, bogus)]


async def _check_nowhere(resolver: Resolver) -> Finding:
    what, expected = "nameserver says no", "NXDOMAIN for a name that cannot exist"
    try:
        found = await resolver.addresses(NOWHERE)
    except (NameDoesNotExist, NoSuchRecord):
        return Finding(what, Grade.OK, expected, "NXDOMAIN")
    except ResolutionError as trouble:
        advice = "mail to mistyped domains waits for days instead of coming back; use another nameserver"
        return Finding(what, Grade.WARNING, expected, str(trouble), advice)
    advice = "this nameserver invents answers; use another, or one of your own"
    return Finding(what, Grade.PROBLEM, expected, f"it answers {found[0]}", advice)


async def _check_dnssec(resolver: Resolver, validates: bool, bogus: str) -> Finding:
    what, expected = "DNSSEC", "a nameserver that validates, on this machine"
    if not validates:
        return Finding(what, Grade.WARNING, expected, "answers are not validated (no AD)", _LOCAL)
    try:
        await resolver.addresses(bogus)
    except NameDoesNotExist:
        pass
    except ResolutionError:
        return _check_distance(resolver, what, expected)
    else:
        found = f"says AD, but answers for {bogus}, whose signature is wrong"
        return Finding(what, Grade.WARNING, expected, found, _LOCAL)
    return _check_distance(resolver, what, expected)


def _check_distance(resolver: Resolver, what: str, expected: str) -> Finding:
    far = [server for server in resolver.servers if not ip_address(server).is_loopback]
    if far:
        found = f"validated by {', '.join(far)}, over a network that could forge it"
        return Finding(what, Grade.OK, expected, found)
    return Finding(what, Grade.OK, expected, "validated here")
