"""The DNS records of each domain, as findings; the look itself is `relay.verification`'s."""

from collections.abc import Sequence

from relay.doctor.finding import Finding, Grade
from relay.station import Station
from relay.tenants.dns_judge import Judgement
from relay.tenants.dns_records import data_of
from relay.tenants.domain_checks import Seen
from relay.tenants.domains import Domain
from relay.verification.look import RecordLook
from relay.verification.verify import Verification, look_at_domain

NO_DOMAIN = Finding("domains", Grade.WARNING, "one at least", "none", "posthouse domain add example.com")


async def check_domain(station: Station, domain: Domain) -> list[Finding]:
    """Every record of the domain, and whether it may send; nothing is written."""
    return findings_of(await look_at_domain(station, domain))


def findings_of(looked: Verification) -> list[Finding]:
    """First the domain's standing, then a line for each record that is not as it should be."""
    wrong = [look for look in looked.looks if look.judgement is not Judgement.RIGHT]
    return [standing_of(looked, right=len(looked.looks) - len(wrong)), *(_finding(look) for look in wrong)]


def standing_of(looked: Verification, right: int) -> Finding:
    name, domain = f"domain {looked.domain.name}", looked.domain
    expected = f"verified, {len(looked.looks)} records in the DNS"
    if looked.key_fault:
        advice = "its mail waits until the key can be read"
        return Finding(name, Grade.PROBLEM, expected, looked.key_fault, advice)
    found = f"{'verified' if domain.is_verified else 'not verified'}, {right} right"
    advice = f"add the records below, then posthouse domain verify {domain.name}"
    if not domain.is_verified:
        return Finding(name, Grade.PROBLEM, expected, f"{found}; its mail is refused (550)", advice)
    if looked.check.sending is Seen.NO:
        return Finding(name, Grade.PROBLEM, expected, f"{found}; no DKIM key stands there any more", advice)
    return Finding(name, Grade.OK, expected, found)


def _finding(look: RecordLook) -> Finding:
    what = f"{look.record.type} {look.record.name}"
    expected, found = data_of(look.record), _shown(look.found)
    if look.seen is Seen.UNKNOWN:
        return Finding(what, Grade.UNKNOWN, expected, "no answer", look.note)
    grade = Grade.WARNING
    if look.record.required and look.seen is Seen.NO:
        grade = Grade.PROBLEM
    return Finding(what, grade, expected, found, look.note)


def _shown(found: Sequence[str]) -> str:
    return " | ".join(found) or "nothing"
