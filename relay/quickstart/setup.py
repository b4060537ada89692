"""The steps of `posthouse quickstart`, in an order in which each may be the last that was reached."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.address import Address
from relay.clock import Clock
from relay.config import Config
from relay.daemon.tls import write_self_signed
from relay.doctor.names import leaving_addresses
from relay.doctor.service import BOOTED
from relay.quickstart import settings, units
from relay.quickstart.account import HOME, acting_as, find_account, make_account
from relay.quickstart.builder import Builder, Deed
from relay.quickstart.household import Household, config_below, demo_config, furnish
from relay.resolver import IpAddress

CONFIG = "/etc/posthouse/config.toml"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What quickstart was asked for."""

    address: Address
    hostname: str
    systemd: bool = True
    renew_units: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What stands now. `household` is None after a dry run; `leaving`: where mail leaves from.

    What is staged below a prefix may be for another machine: this one's addresses are not looked at.
    """

    config: Config
    household: Household | None
    leaving: Sequence[IpAddress] = ()


def set_up(wishes: Wishes, builder: Builder, clock: Clock) -> Result:
    """Make everything that is missing. Dying halfway leaves steps that a second run finds done.

    Raises NotForService before anything is made, ConfigError for a
    configuration that was there and is wrong, and what the operations raise.
    """
    staged = builder.prefix != Path("/")
    if not staged and not builder.dry_run:
        units.check_reachable()
    _install_units(wishes, builder)
    _make_account(builder, staged=staged)
    _make_places(wishes, builder)
    if builder.dry_run:
        return Result(_present_config(wishes, builder), None)
    config = config_below(builder.prefix, builder.at(CONFIG))
    with acting_as(builder.account):
        _make_certificate(builder, config, wishes.hostname, clock)
        household = asyncio.run(furnish(config, wishes.address))
    for what, is_new in (
        (f"domain {wishes.address.domain}", household.domain_is_new),
        (f"mailbox {wishes.address}", household.mailbox_is_new),
    ):
        builder.note(what, Deed.MADE if is_new else Deed.KEPT)
    if not staged and wishes.systemd:
        _reload_systemd(builder)
    leaving = config.delivery.source_addresses if staged else leaving_addresses(config)
    return Result(config, household, leaving)


def _install_units(wishes: Wishes, builder: Builder) -> None:
    for path, text in units.rendered(units.this_command()).items():
        if wishes.systemd or path.startswith("sysusers.d"):
            builder.file(f"/etc/{path}", text, 0o644, renew=wishes.renew_units)


def _make_account(builder: Builder, *, staged: bool) -> None:
    if staged:
        return builder.note(
            "user posthouse", Deed.LEFT, "below a prefix nobody is made, and everything stays yours"
        )
    builder.account = find_account()
    if builder.account is not None:
        return builder.note("user posthouse", Deed.KEPT)
    if builder.dry_run:
        return builder.note("user posthouse", Deed.PLANNED)
    builder.account = make_account(builder.at("/etc/sysusers.d/posthouse.conf"))
    return builder.note("user posthouse", Deed.MADE)


def _make_places(wishes: Wishes, builder: Builder) -> None:
    any_host = "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - mail comes from everywhere
    listeners = settings.UNIT_SOCKETS if wishes.systemd else settings.addresses(any_host)
    builder.directory("/etc/posthouse", 0o750)
    builder.file(CONFIG, settings.first_config(wishes.hostname, listeners), 0o640, shared=True)
    builder.directory(HOME, 0o700, ours=True)
    builder.directory(settings.KEY_DIR, 0o700, ours=True)
    builder.directory(settings.TLS_DIR, 0o700, ours=True)


def _present_config(wishes: Wishes, builder: Builder) -> Config:
    file = builder.at(CONFIG)
    return config_below(builder.prefix, file) if file.exists() else demo_config(wishes.hostname)


def _make_certificate(builder: Builder, config: Config, hostname: str, clock: Clock) -> None:
    """Only where the configuration still names ours: certbot's are none of our business."""
    certificate = config.tls.certificate
    if certificate != builder.at(settings.CERTIFICATE):
        return
    deed = Deed.KEPT if certificate.exists() else Deed.MADE
    write_self_signed(certificate.parent, hostname, clock)
    builder.note(settings.CERTIFICATE, deed, "signed by itself" if deed is Deed.MADE else "")


def _reload_systemd(builder: Builder) -> None:
    """systemd reads units that are new to it; where it does not run, there is nothing to tell."""
    new = any(step.deed in (Deed.MADE, Deed.RENEWED) and "/systemd/" in step.what for step in builder.steps)
    if new and BOOTED.is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "daemon-reload"], check=False)
        builder.note("systemctl daemon-reload", Deed.MADE)
