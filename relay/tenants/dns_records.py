"""The DNS records that a domain needs, so that its mail is believed and its bounces come home.

What stands where: RFC 7208 (SPF), 6376 and 8463 (DKIM), 9989 (DMARC), 5321
§5 (MX). Pure functions: nobody asks the DNS here. `dns_judge` of this room
compares what was found with what is expected.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

RecordType: TypeAlias = Literal["MX", "TXT", "CNAME"]
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MX_PRIORITY = 10
TTL = 3600
_STRING = 255


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record. `name` has no dot at its end; `priority` is for MX only.

    `required`: mail does not leave under the domain before this is seen. The
    others are for being believed, and for receiving.
    """

    type: RecordType
    name: str
    value: str
    priority: int | None
    purpose: str
    required: bool


def records_for(
    domain: str,
    hostname: str,
    dkim_records: Iterable[tuple[str, str]],
    public_ips: Sequence[IpAddress] = (),
    tracking: tuple[str, str] | None = None,
) -> list[DnsRecord]:
    """What `domain` (A-labels) needs when this house is called `hostname`.

    `dkim_records` are (name, value) of the keys that sign, `public_ips` the
    addresses that mail leaves from; without any, SPF names the host instead.
    `tracking` is the host that tracked links name, and where it should lead.
    """
    bounces = f"bounces.{domain}"
    return [
        *(_txt(name, value, *_dkim_purpose(value)) for name, value in dkim_records),
        _txt(domain, _spf(hostname, public_ips, "~all"), "SPF: our servers may send for the domain", False),
        _txt(
            f"_dmarc.{domain}",
            f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}",
            "DMARC: asks for reports; tighten p later",
            False,
        ),
        _mx(bounces, hostname, "bounces come back here"),
        _txt(bounces, _spf(hostname, public_ips, "-all"), "SPF for bounce addresses", False),
        _mx(domain, hostname, "mail for the domain arrives here; leave out if it should not"),
        *([_cname(*tracking, "tracked links lead here")] if tracking else []),
    ]


def as_dicts(records: Iterable[DnsRecord]) -> list[dict[str, Any]]:
    """The records as JSON says them."""
    return [asdict(record) for record in records]


def as_text(records: Sequence[DnsRecord]) -> str:
    """An aligned table for people; values stand whole on one line, to be copied."""
    rows = [("", "type", "name", "value")]
    rows += [
        ("required" if record.required else "", record.type, record.name, data_of(record))
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]) + "\n"
        for row in rows
    )


def as_zone_file(records: Iterable[DnsRecord]) -> str:
    """Lines for a BIND zone file (RFC 1035 §5), names absolute, each with its purpose above it."""
    return "".join(
        f"; {record.purpose}\n{record.name}. {TTL} IN {record.type} {_zone_data(record)}\n"
        for record in records
    )


def data_of(record: DnsRecord) -> str:
    """The record's data as tools print it: `10 mail.example.com` for MX, the whole text for TXT."""
    return f"{record.priority} {record.value}" if record.type == "MX" else record.value


def split_text(value: str) -> list[str]:
    """A TXT value in the strings of up to 255 octets that DNS carries (RFC 1035 §3.3.14)."""
    octets = value.encode()
    parts = [octets[start : start + _STRING] for start in range(0, len(octets), _STRING)] or [b""]
    return [part.decode() for part in parts]


def spf_mechanisms(hostname: str, public_ips: Sequence[IpAddress]) -> list[str]:
    """What an SPF record must say so that mail from here passes."""
    return [f"ip{ip.version}:{ip}" for ip in public_ips] or [f"a:{hostname}"]


def _spf(hostname: str, public_ips: Sequence[IpAddress], rest: str) -> str:
    return " ".join(["v=spf1", *spf_mechanisms(hostname, public_ips), rest])


def _dkim_purpose(value: str) -> tuple[str, bool]:
    # Not every DNS host takes an Ed25519 key yet, and RSA alone is enough to be believed.
    if "k=ed25519" in value.replace(" ", ""):
        return "DKIM key, Ed25519", False
    return "DKIM key, RSA: proves that mail is the domain's", True


def _txt(name: str, value: str, purpose: str, required: bool) -> DnsRecord:
    return DnsRecord("TXT", name, value, None, purpose, required)


def _mx(name: str, hostname: str, purpose: str) -> DnsRecord:
    return DnsRecord("MX", name, hostname, MX_PRIORITY, purpose, required=False)


def _cname(name: str, target: str, purpose: str) -> DnsRecord:
    return DnsRecord("CNAME", name, target, None, purpose, required=False)


def _zone_data(record: DnsRecord) -> str:
    if record.type == "MX":
        return f"{record.priority} {record.value}."
    if record.type == "CNAME":
        return f"{record.value}."
    return " ".join(f'"{_escaped(part)}"' for part in split_text(record.value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
