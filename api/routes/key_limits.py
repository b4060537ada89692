"""What one key may hand on to another: no scope, network, inbox, pace or day that it does not have itself."""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from api.auth import Caller
from api.call import Call
from api.problems import Problem, invalid
from api.scopes import SCOPES, is_scope
from relay.errors import InvalidInput
from relay.estate import domains as estate
from relay.tenants import api_keys, domains
from relay.tenants.api_keys import ApiKey, Mode
from relay.tenants.domains import Domain
from relay.tenants.mailboxes import Mailbox
from relay.tenants.reach import Reach


async def handed_reach(
    call: Call, inbox_names: Sequence[str], domain_names: Sequence[str]
) -> tuple[list[Mailbox], list[Domain]]:
    """What the other key is bound to: what is named, else what this one is bound to."""
    inboxes = [await call.mailbox(name) for name in inbox_names]
    named = [await _domain(call, place, name) for place, name in enumerate(domain_names)]
    own = call.caller.reach
    _check_addresses(own, inboxes)
    if own is not None and not inboxes and not named:
        inboxes = [await call.mailbox(id_) for id_ in own.inboxes]
        named = [await domains.get(call.house.db, call.tenant_id, name) for name in own.domains]
    return inboxes, named


def _check_addresses(own: Reach | None, inboxes: Iterable[Mailbox]) -> None:
    """Raise Problem (403) for an inbox that is reached by its domain, and may write from others as well."""
    for inbox in inboxes:
        if own is None or inbox.id in own.inboxes:
            continue
        writes_from = {alias.domain for alias in inbox.aliases}
        writes_from |= {pattern.domain for pattern in inbox.senders}
        if elsewhere := writes_from - set(own.domains):
            raise _more(f"it may not write from {min(elsewhere)} itself")


async def _domain(call: Call, place: int, name: str) -> Domain:
    own = call.caller.reach
    try:
        found = await estate.get(call.house.db, call.tenant_id, name)
    except InvalidInput as error:
        raise invalid(f"$.domains[{place}]", str(error)) from error
    if own is not None and found.name not in own.domains:
        raise _more(f"it is not bound to {found.name} itself")
    return found


def handed_rate(own: int | None, wanted: int | None) -> int | None:
    """How often it may ask; as this one where nothing is said."""
    if own is not None and wanted is not None and wanted > own:
        raise _more("it may not ask so often itself")
    return wanted or own


def handed_mode(caller: Caller, wanted: Mode | None) -> Mode:
    """Live or test; as this one where nothing is said."""
    if wanted == "live" and caller.mode == "test":
        raise _more("a test key makes no live keys")
    return wanted or caller.mode


def handed_scopes(caller: Caller, wanted: Sequence[str] | None) -> Sequence[str]:
    """What it may do; as this one where nothing is said."""
    for place, scope in enumerate(wanted or ()):
        if not is_scope(scope):
            raise invalid(f"$.scopes[{place}]", f"is none of {', '.join(SCOPES)}, nor area:* or *")
        if not caller.key.allows(scope):
            raise _more(f"it does not have the scope {scope} itself")
    return wanted or caller.scopes


def handed_cidrs(caller: Caller, wanted: Sequence[str]) -> Sequence[str]:
    """From where it may be used; as this one where nothing is said."""
    networks = []
    for place, text in enumerate(wanted):
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise invalid(f"$.cidrs[{place}]", f"is no network such as 192.0.2.0/24: {error}") from error
    _check_networks(caller, networks)
    return wanted or tuple(map(str, caller.key.cidrs))


def _check_networks(caller: Caller, networks: Iterable[api_keys.Network]) -> None:
    own = caller.key.cidrs
    for network in networks:
        if own and not any(_within(network, wider) for wider in own):
            raise _more(f"it may not be used from {network} itself")


def _within(network: api_keys.Network, wider: api_keys.Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(wider, ipaddress.IPv4Network) and network.subnet_of(wider)
    return isinstance(wider, ipaddress.IPv6Network) and network.subnet_of(wider)


def handed_expiry(caller: Caller, wanted: datetime | None) -> datetime | None:
    """Until when; as this one where nothing is said."""
    own = caller.key.expires_at
    if wanted is None:
        return own
    if own is not None and wanted > own:
        raise _more("it expires before that")
    try:
        return wanted.astimezone(UTC)
    except OverflowError as error:
        raise invalid("$.expires_at", "is beyond the years 1 to 9999") from error


def _more(why: str) -> Problem:
    return Problem(403, "insufficient_scope", f"This key cannot make that one, or so: {why}.")


async def check_is_no_more(call: Call, key: ApiKey) -> None:
    """Raise Problem (403) where a key that is to be changed may do more than the one that asks."""
    caller = call.caller
    for scope in key.scopes:
        if not caller.key.allows(scope):
            raise _more(f"it does not have the scope {scope} itself")
    _check_addresses(caller.reach, [await call.mailbox(id_) for id_ in (key.reach or Reach()).inboxes])
    if caller.key.cidrs and not key.cidrs:
        raise _more("it may not be used from everywhere itself")
    _check_networks(caller, key.cidrs)
    if key.is_root and not caller.key.is_root:
        raise _more("it is no root key itself")
    if caller.key.guards is not None and key.guards != caller.key.guards:
        raise _more("it is guarded itself, and that one otherwise")
