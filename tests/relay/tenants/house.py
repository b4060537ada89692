"""A small house for tests of these rooms: a verified domain and whatever mailboxes a test wants."""

from dataclasses import dataclass
from typing import Any

from relay.clock import Clock
from relay.policy import allowances
from relay.store.database import Database, Transaction
from relay.tenants import domain_changes, key_changes, mailbox_changes
from relay.tenants.directory import Directory
from relay.tenants.domains import Domain
from relay.tenants.key_changes import FreshKey, NewKey
from relay.tenants.mailbox_changes import MailboxChanges, NewMailbox
from relay.tenants.mailboxes import Mailbox
from relay.tenants.tenants import DEFAULT_TENANT


@dataclass
class House:
    db: Database
    clock: Clock
    directory: Directory

    async def add_domain(
        self, name: str, *, verified: bool = True, tenant_id: str = DEFAULT_TENANT
    ) -> Domain:
        domain = await self.directory.change(lambda tx: domain_changes.add(tx, self.clock, tenant_id, name))
        if verified:
            domain = await self.directory.change(
                lambda tx: domain_changes.assume_verified(tx, self.clock, domain)
            )
        return domain

    async def add_mailbox(
        self, address: str, *, tenant_id: str = DEFAULT_TENANT, password_hash: str | None = None, **more: Any
    ) -> Mailbox:
        wanted = NewMailbox(address=address, **more)
        return await self.directory.change(
            lambda tx: mailbox_changes.add(tx, self.clock, tenant_id, wanted, password_hash)
        )

    async def add_key(self, wanted: NewKey, tenant_id: str = DEFAULT_TENANT) -> FreshKey:
        return await self.db.transact(lambda tx: key_changes.create(tx, self.clock, tenant_id, wanted))

    async def change(self, mailbox: Mailbox, **changes: Any) -> Mailbox:
        wanted = MailboxChanges(**changes)
        return await self.directory.change(
            lambda tx: mailbox_changes.update(tx, self.clock, mailbox.tenant_id, mailbox.id, wanted)
        )

    async def remove(self, mailbox: Mailbox) -> None:
        async def work(tx: Transaction) -> None:
            await allowances.forget(tx, mailbox.id)
            await mailbox_changes.remove(tx, self.clock, mailbox)

        await self.directory.change(work)
