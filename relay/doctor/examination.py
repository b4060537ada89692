"""The whole examination: which checks there are, and what each is given.

`examine` asks where the mail is: as the service's user, in the daemon when
one runs, so that limits, modes and networks are those that mail meets.
`look_around` asks from outside: doors, the unit, the kernel's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.clock import Clock
from relay.config import Config
from relay.delivery.smarthost import parse_smarthost
from relay.doctor.certificate import check_certificate
from relay.doctor.domains import NO_DOMAIN, check_domain
from relay.doctor.files import check_data, check_key_files, check_store
from relay.doctor.finding import Check, Finding, run_checks
from relay.doctor.listeners import check_listeners, listens_beyond_loopback
from relay.doctor.machine import (
    check_clock,
    check_disk,
    check_file_limit,
    files_wanted,
    kernel_clock_is_synchronised,
)
from relay.doctor.names import addresses_in_the_world, check_hostname, check_reverse, leaving_addresses
from relay.doctor.nameserver import check_nameserver
from relay.doctor.port25 import Exchanger, check_smarthost, check_way_out
from relay.doctor.service import check_service
from relay.resolver import IpAddress, Resolver
from relay.station import Station
from relay.tenants import domains

CHECK_LIMIT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. Without a station, `trouble` says why the store could not be opened.

    `exchangers` are knocked at instead of the known receivers; `leaving` are
    the addresses that mail leaves from, where they are known already.
    """

    config: Config
    clock: Clock
    station: Station | None = None
    trouble: str | None = None
    exchangers: Sequence[Exchanger] = ()
    leaving: Sequence[IpAddress] | None = None

    @property
    def resolver(self) -> Resolver:
        if self.station is not None:
            return self.station.resolver
        return Resolver(self.config.dns.nameservers, timeout=self.config.dns.timeout)


async def examine(patient: Patient, limit: timedelta = CHECK_LIMIT) -> list[Finding]:
    """Everything that can be seen from inside; takes `limit` and a little at most."""
    checks = [("nameserver", lambda: check_nameserver(patient.resolver)), *_of_names(patient)]
    checks += [("way out", lambda: _way_out(patient)), *_of_machine(patient)]
    checks += await _of_domains(patient)
    return await run_checks(checks, limit)


async def look_around(config: Config, clock: Clock, limit: timedelta = CHECK_LIMIT) -> list[Finding]:
    """What is seen from outside the service."""

    async def clock_() -> list[Finding]:
        synchronised = kernel_clock_is_synchronised()
        last_write = _last_write(config.store_file)
        return [check_clock(clock.now(), synchronised=synchronised, last_write=last_write)]

    checks: list[tuple[str, Check]] = [
        ("service", check_service),
        ("doors", lambda: check_listeners(config)),
        ("clock", clock_),
    ]
    return await run_checks(checks, limit)


def _of_names(patient: Patient) -> list[tuple[str, Check]]:
    config, hostname = patient.config, patient.config.server.hostname
    leaving = leaving_addresses(config) if patient.leaving is None else list(patient.leaving)

    async def reverse() -> list[Finding]:
        seen = await addresses_in_the_world(patient.resolver, hostname, leaving)
        return [await check_reverse(patient.resolver, ip, hostname) for ip in seen]

    async def certificate() -> list[Finding]:
        needed = listens_beyond_loopback((*config.submission.listen, *config.submission.listen_tls))
        return check_certificate(config.tls, hostname, patient.clock.now(), needed=needed)

    return [
        ("name", lambda: check_hostname(patient.resolver, hostname, leaving)),
        ("PTR", reverse),
        ("TLS certificate", certificate),
    ]


def _of_machine(patient: Patient) -> list[tuple[str, Check]]:
    config, station = patient.config, patient.station
    trouble = patient.trouble if station is None else station.db.trouble

    async def local() -> list[Finding]:
        return [
            *check_disk(config.server.data_dir, config.store.min_free),
            check_file_limit(files_wanted(config)),
            *check_data(config.server.data_dir, config.store_file),
            check_store(trouble, opened=station is not None),
            *check_key_files(config.dkim.key_dir),
        ]

    return [("machine", local)]


async def _of_domains(patient: Patient) -> list[tuple[str, Check]]:
    station = patient.station
    if station is None:
        return []

    async def none() -> list[Finding]:
        return [NO_DOMAIN]

    def of(domain: domains.Domain) -> Check:
        return lambda: check_domain(station, domain)

    known = sorted(await domains.list_all(station.db), key=lambda domain: domain.name)
    return [(f"domain {domain.name}", of(domain)) for domain in known] or [("domains", none)]


async def _way_out(patient: Patient) -> list[Finding]:
    delivery = patient.config.delivery
    smarthost = parse_smarthost(delivery.smarthost)
    if smarthost is not None and not patient.exchangers:
        return await check_smarthost(smarthost.host, smarthost.port)
    source = next(iter(delivery.source_addresses), None)
    return await check_way_out(patient.resolver, patient.exchangers, port=delivery.port, source=source)


def _last_write(store: Path | None) -> datetime | None:
    """When the store was written last, as its file system says."""
    try:
        written = [path.stat().st_mtime for path in (store, Path(f"{store}-wal")) if path and path.exists()]
    except OSError:
        return None
    return datetime.fromtimestamp(max(written), UTC) if written else None
