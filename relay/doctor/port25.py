"""Can mail leave at all? Many providers close port 25 until they are asked."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.config import InheritedListener, Listener
from relay.config.values import read_listener
from relay.doctor.finding import Finding, Grade
from relay.errors import InvalidInput
from relay.resolver import IpAddress, ResolutionError, Resolver

# Large receivers whose exchangers answer everybody; asked for a greeting, nothing is sent.
KNOWN_RECEIVERS = ("gmail.com", "outlook.com", "yahoo.com")
CONNECT_LIMIT = timedelta(seconds=6)
_LONGEST_LINE = 2048
BLOCKED = (
    "ask the provider of this machine to open outgoing port 25, or set delivery.smarthost;"
    " until then mail waits in the queue"
)


@dataclass(frozen=True, slots=True)
class Exchanger:
    """A server to knock at. `host` is a name or an address."""

    host: str
    port: int = 25


def read_exchanger(text: str) -> Exchanger:
    """`host`, `host:port` or `[ip6]:port`; raises InvalidInput."""
    if not text.startswith("[") and text.count(":") != 1:
        return Exchanger(text)
    listener: Listener | InheritedListener | None
    try:
        listener = read_listener(text)
    except ValueError:
        listener = None
    if not isinstance(listener, Listener):
        raise InvalidInput(f'{text!r} is not "host" or "host:port"')
    return Exchanger(listener.host, listener.port)


@dataclass(frozen=True, slots=True)
class Knock:
    """What happened: the greeting, or why there was none."""

    exchanger: str
    answered: bool
    said: str
    found: bool = True


async def check_way_out(
    resolver: Resolver,
    exchangers: Sequence[Exchanger] = (),
    *,
    port: int = 25,
    source: IpAddress | None = None,
    limit: timedelta = CONNECT_LIMIT,
) -> list[Finding]:
    """One greeting from any exchanger is enough; without `exchangers`, of the known receivers."""
    knocks = await asyncio.gather(
        *(knock(exchanger, source, limit) for exchanger in exchangers),
        *(
            ()
            if exchangers
            else (knock_at_domain(resolver, name, port, source, limit) for name in KNOWN_RECEIVERS)
        ),
    )
    return [judge_knocks(knocks, f"port {exchangers[0].port if exchangers else port} out")]


async def check_smarthost(host: str, port: int, *, limit: timedelta = CONNECT_LIMIT) -> list[Finding]:
    """The smarthost can be reached; with implicit TLS it says nothing before the handshake."""
    found = await knock(Exchanger(host, port), None, limit, wants_greeting=port != 465)
    grade = Grade.OK if found.answered else Grade.PROBLEM
    advice = "" if found.answered else "mail waits until it answers; see delivery.smarthost"
    return [Finding(f"smarthost {host}", grade, f"answers on port {port}", found.said, advice)]


def judge_knocks(knocks: Iterable[Knock], what: str) -> Finding:
    """Open, open to some, or closed."""
    knocks = list(knocks)
    answered = [each for each in knocks if each.answered]
    silent = "; ".join(f"{each.exchanger}: {each.said}" for each in knocks if not each.answered)
    if not any(each.found for each in knocks):
        advice = "no exchanger could be looked up; see the nameserver's line"
        return Finding(what, Grade.PROBLEM, "a greeting", silent, advice)
    if not answered:
        return Finding(what, Grade.PROBLEM, "a greeting", silent, BLOCKED)
    greeting = f"{answered[0].exchanger}: {answered[0].said}"
    if silent:
        return Finding(what, Grade.OK, "a greeting", f"{greeting} (but {silent})")
    return Finding(what, Grade.OK, "a greeting", greeting)


async def knock_at_domain(
    resolver: Resolver, domain: str, port: int, source: IpAddress | None, limit: timedelta
) -> Knock:
    """Knock at the first exchanger of `domain`, at an address of the family that we send from."""
    try:
        host = (await resolver.mx(domain))[0].host
        addresses = await resolver.addresses(host)
    except ResolutionError as trouble:
        return Knock(domain, False, f"not asked, {trouble}", found=False)
    version = source.version if source else 4
    ip = next((ip for ip in addresses if ip.version == version), addresses[0])
    found = await knock(Exchanger(str(ip), port), source, limit)
    return Knock(f"{host} [{ip}]", found.answered, found.said)


async def knock(
    exchanger: Exchanger, source: IpAddress | None, limit: timedelta, *, wants_greeting: bool = True
) -> Knock:
    """Connect and read the greeting, both within `limit`; nothing is said but QUIT."""
    shown = f"{exchanger.host}:{exchanger.port}"
    try:
        async with asyncio.timeout(limit.total_seconds()):
            local = (str(source), 0) if source else None
            reader, writer = await asyncio.open_connection(
                exchanger.host, exchanger.port, local_addr=local, limit=_LONGEST_LINE
            )
            try:
                if not wants_greeting:
                    return Knock(shown, True, "connected")
                line = await reader.readline()
                writer.write(b"QUIT\r\n")
            finally:
                writer.close()
    except TimeoutError:
        return Knock(shown, False, f"no answer within {limit.total_seconds():g} s")
    except (OSError, ValueError) as error:
        return Knock(shown, False, _in_short(error))
    text = "".join(char for char in line.decode("ascii", "replace") if char.isprintable()).strip()[:80]
    return Knock(shown, text.startswith("220"), text or "hung up without a word")


def _in_short(error: Exception) -> str:
    number = getattr(error, "errno", None)
    # asyncio writes sentences of its own; a name that is not found has a number of another kind.
    return (
        os.strerror(number) if number and number > 0 else str(getattr(error, "strerror", None) or error)[:120]
    )
