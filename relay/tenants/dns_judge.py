"""Expected against found: is a DNS record there, and does it say what it must?

The found values come as tools print them: each TXT record joined to one text,
each MX as `10 mail.example.com.`. Pure; whoever asks the DNS keeps "it did
not answer" apart from "it is not there", and asks here only after an answer.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.tenants.dns_records import DnsRecord


class Judgement(StrEnum):
    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"  # something stands there that must be changed
    UNCLEAR = "unclear"  # it may well do; only a person or a full evaluation can tell


@dataclass(frozen=True, slots=True)
class Verdict:
    """`note` tells people what to do; empty when it is right."""

    judgement: Judgement
    note: str = ""


_RIGHT = Verdict(Judgement.RIGHT)
# Terms of SPF whose meaning takes more questions to the DNS.
_OPEN = re.compile(r"(?:include:|redirect=|exists:|(?:a|mx|ptr)(?:[:/]|\Z))")


def judge(expected: DnsRecord, found_values: Sequence[str]) -> Verdict:
    """Whether the values found under the record's name and type satisfy it.

    Others' records beside it are no fault, except where the standard allows
    only one (SPF, DMARC).
    """
    found = [value.strip() for value in found_values]
    if expected.type == "MX":
        return _judge_mx(expected, found)
    if expected.type == "CNAME":
        return _judge_cname(expected, found)
    if _is_spf(expected.value):
        return _judge_spf(expected, found)
    if _is_dmarc(expected.value):
        return _judge_dmarc(found)
    return _judge_dkim(expected, found)


def _judge_mx(expected: DnsRecord, found: list[str]) -> Verdict:
    hosts = [value.split()[-1].rstrip(".").lower() for value in found if value]
    if expected.value.rstrip(".").lower() in hosts:
        return _RIGHT
    if not found:
        return _missing(expected)
    return Verdict(Judgement.WRONG, f"mail for {expected.name} goes to {', '.join(hosts) or 'nobody'}")


def _judge_cname(expected: DnsRecord, found: list[str]) -> Verdict:
    targets = [value.rstrip(".").lower() for value in found if value]
    if expected.value.rstrip(".").lower() in targets:
        return _RIGHT
    if not targets:
        return _missing(expected)
    return Verdict(Judgement.WRONG, f"{expected.name} leads to {', '.join(targets)}")


def _judge_spf(expected: DnsRecord, found: list[str]) -> Verdict:
    records = [value for value in found if _is_spf(value)]
    if not records:
        return _missing(expected)
    if len(records) > 1:
        return Verdict(
            Judgement.WRONG, "several SPF records make all of them void (RFC 7208 §4.5); merge them"
        )
    terms = [term.lower().removeprefix("+") for term in records[0].split()[1:]]
    # What stands behind `all` is never read.
    end = next((place for place, term in enumerate(terms) if term.lstrip("-~?") == "all"), len(terms))
    wanted = [term for term in expected.value.lower().split()[1:] if not term.endswith("all")]
    lacking = [term for term in wanted if not _covered(term, terms[:end])]
    if not lacking or "all" in terms:
        return _RIGHT
    if any(_OPEN.match(term) for term in terms[: end + 1]):
        return Verdict(Judgement.UNCLEAR, f"unless another term covers it, add {' '.join(lacking)}")
    return Verdict(Judgement.WRONG, f"add {' '.join(lacking)} before the last term")


def _covered(term: str, terms: list[str]) -> bool:
    """Whether the term stands there, or an address is inside one of the networks."""
    kind, _, ip = term.partition(":")
    if term in terms or kind not in ("ip4", "ip6"):
        return term in terms
    networks = (value.partition(":")[2] for value in terms if value.startswith(f"{kind}:"))
    return any(_inside(ip, network) for network in networks)


def _inside(ip: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(ip) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _judge_dmarc(found: list[str]) -> Verdict:
    records = [value for value in found if _is_dmarc(value)]
    if not records:
        return Verdict(Judgement.MISSING, "publish a DMARC record; p=none is a beginning")
    if len(records) > 1:
        return Verdict(Judgement.WRONG, "several DMARC records make all of them void; keep one")
    policy = _tags(records[0]).get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        return Verdict(Judgement.WRONG, "p must be none, quarantine or reject")
    return _RIGHT


def _judge_dkim(expected: DnsRecord, found: list[str]) -> Verdict:
    keys = [_tags(value) for value in found if "p" in _tags(value)]
    if not keys:
        return _missing(expected)
    wanted = _tags(expected.value)
    for tags in keys:
        if tags["p"] == wanted.get("p") and tags.get("k", "rsa") == wanted.get("k", "rsa"):
            if len(keys) > 1:
                return Verdict(Judgement.WRONG, "several keys stand under one selector; keep this one")
            return _testing(tags)
    if any(not tags["p"] for tags in keys):
        return Verdict(Judgement.WRONG, "the key is revoked (p= is empty)")
    return Verdict(Judgement.WRONG, "another key, or only a part of this one, stands there")


def _testing(tags: dict[str, str]) -> Verdict:
    if "y" in tags.get("t", "").split(":"):
        return Verdict(Judgement.UNCLEAR, "t=y tells receivers to ignore the signature; remove it")
    return _RIGHT


def _missing(expected: DnsRecord) -> Verdict:
    return Verdict(Judgement.MISSING, f"add {expected.type} {expected.name}")


def _is_spf(value: str) -> bool:
    return value.split(" ", 1)[0].lower() == "v=spf1"


def _is_dmarc(value: str) -> bool:
    return value.replace(" ", "").lower().split(";")[0] == "v=dmarc1"


def _tags(value: str) -> dict[str, str]:
    """A tag list (RFC 6376 §3.2), white space inside values dropped."""
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip().lower(): "".join(text.split()) for name, equals, text in pairs if equals}
