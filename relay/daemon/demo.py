"""A house to try things out in: demo domain, two mailboxes, an API key, and no DNS.

What is there from an earlier run is used again; the credentials are kept in
`demo.json` beside the store, so that copied commands go on working.
"""

import os
from pathlib import Path

import msgspec

from relay.address import parse_address
from relay.station import Station
from relay.store.database import Transaction
from relay.tenants import dkim_selectors, domain_changes, key_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.passwords import hash_made, make_password
from relay.tenants.tenants import DEFAULT_TENANT

DOMAIN = "demo.test"
APPLICATION = f"app@{DOMAIN}"
INBOX = f"ann@{DOMAIN}"
FAR = "you@elsewhere.test"
DAILY_CAP = 10_000


class Credentials(msgspec.Struct, frozen=True):
    """What a client needs to speak to the demo house."""

    login: str
    smtp_password: str
    api_key: str


async def furnish(station: Station) -> Credentials:
    """Make what is missing; returns the credentials of `APPLICATION`."""
    file = station.config.server.data_dir / "demo.json"
    if await station.directory.domain(DOMAIN) is None:
        await _add_domain(station)
    known = await station.directory.mailbox_for_address(parse_address(APPLICATION))
    if known is not None and file.exists():
        return msgspec.json.decode(file.read_bytes(), type=Credentials)
    credentials = await _add_people(station)
    _write_private(file, msgspec.json.encode(credentials))
    return credentials


async def _add_domain(station: Station) -> None:
    keys = station.keys.generate(DOMAIN, station.clock.now())

    async def work(tx: Transaction) -> None:
        domain = await domain_changes.add(tx, station.clock, DEFAULT_TENANT, DOMAIN)
        await domain_changes.assume_verified(tx, station.clock, domain, receives=True)
        selectors = [(key.selector, key.algorithm) for key in keys]
        await dkim_selectors.add(tx, station.clock, domain, selectors)

    await station.directory.change(work)


async def _add_people(station: Station) -> Credentials:
    password = make_password()

    async def work(tx: Transaction) -> str:
        application = NewMailbox(
            address=APPLICATION, name="Demo application", daily_cap=DAILY_CAP, senders=[f"*@{DOMAIN}"]
        )
        ann = NewMailbox(address=INBOX, name="Ann", daily_cap=DAILY_CAP)
        await mailbox_changes.add(tx, station.clock, DEFAULT_TENANT, application, hash_made(password))
        await mailbox_changes.add(tx, station.clock, DEFAULT_TENANT, ann)
        made = await key_changes.create(tx, station.clock, DEFAULT_TENANT, key_changes.NewKey(name="demo"))
        return made.secret

    return Credentials(APPLICATION, password, await station.directory.change(work))


def _write_private(file: Path, content: bytes) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)
