"""posthouse doctor: what is wrong here, and what to do about it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click
import msgspec

from relay.cli.frame import FAILED, Command, config, json_option, print_json, run
from relay.cli.text import count, plain
from relay.clock import SystemClock
from relay.config import Config
from relay.control import client
from relay.control.client import NoDaemon
from relay.control.dns_check import Examine
from relay.control.reach import perform_here
from relay.doctor import Finding, Grade, Patient, examine
from relay.doctor.examination import look_around
from relay.doctor.port25 import read_exchanger
from relay.errors import PosthouseError
from relay.quickstart.account import acting_as, owner_of

_COLOURS = {Grade.OK: "green", Grade.UNKNOWN: "cyan", Grade.WARNING: "yellow", Grade.PROBLEM: "red"}
_OPERATION = "doctor.examine"
# The daemon's own checks end after 20 s.
DAEMON_LIMIT = timedelta(seconds=30)


@click.command(cls=Command)
@click.option(
    "--mx", "exchangers", multiple=True, metavar="HOST[:PORT]", help="Knock here, not at the large ones."
)
@json_option
def doctor(exchangers: tuple[str, ...], as_json: bool) -> None:
    """Examine DNS, PTR, port 25, TLS, clock, disk, resolver, keys: expected against found.

    Exits 1 when there is a problem.
    """
    for text in exchangers:
        read_exchanger(text)
    holds = config()
    # What a command of root makes would be root's, and closed to the service.
    with acting_as(owner_of(holds.server.data_dir)):
        findings = run(_examine(holds, Examine(exchangers=exchangers)))
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        _print(findings)
    if any(finding.grade is Grade.PROBLEM for finding in findings):
        click.get_current_context().exit(FAILED)


async def _examine(holds: Config, wanted: Examine) -> list[Finding]:
    inside, around = await asyncio.gather(look_inside(holds, wanted), look_around(holds, SystemClock()))
    return [*around, *inside]


async def look_inside(holds: Config, wanted: Examine, limit: timedelta = DAEMON_LIMIT) -> list[Finding]:
    """In the daemon, else in a store opened here, else without a store; waits for a daemon for `limit`."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return _read(await client.call(holds.server.data_dir, _OPERATION, wanted))
    except NoDaemon:
        pass
    except TimeoutError:
        silence = f"the daemon has not answered for {limit.total_seconds():g} s"
        return await _without_store(holds, wanted, PosthouseError(silence))
    except PosthouseError as trouble:
        return await _without_store(holds, wanted, trouble)
    try:
        return _read(await perform_here(holds, _OPERATION, wanted))
    except PosthouseError as trouble:
        return await _without_store(holds, wanted, trouble)


async def _without_store(holds: Config, wanted: Examine, trouble: PosthouseError) -> list[Finding]:
    exchangers = [read_exchanger(text) for text in wanted.exchangers]
    return await examine(Patient(holds, SystemClock(), trouble=str(trouble), exchangers=exchangers))


def _read(answer: Any) -> list[Finding]:
    return msgspec.convert(answer, list[Finding])


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = click.style(finding.grade.ljust(7), fg=_COLOURS[finding.grade])
        click.echo(f"{mark}  {plain(finding.what).ljust(width)}  {plain(finding.found)}")
        if finding.grade is not Grade.OK:
            click.echo(f"{'':7}  {'':{width}}  expected: {plain(finding.expected)}")
        if finding.advice:
            click.echo(f"{'':7}  {'':{width}}  → {plain(finding.advice)}")
    click.echo(f"\n{_summary(findings)}")


def _summary(findings: Sequence[Finding]) -> str:
    numbers = {grade: sum(finding.grade is grade for finding in findings) for grade in Grade}
    parts = [f"{numbers[Grade.OK]} ok", count(numbers[Grade.WARNING], "warning")]
    parts.append(count(numbers[Grade.PROBLEM], "problem"))
    if numbers[Grade.UNKNOWN]:
        parts.append(f"{numbers[Grade.UNKNOWN]} unknown")
    return ", ".join(parts)
