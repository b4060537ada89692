"""Who is here, from memory: mailboxes, aliases and domains as the hot path asks for them.

What was read is kept for `MAX_AGE` at most, so another node's change is seen
soon; a change made through `change` is seen at once. Those who ask the same
together are answered by one read. Passwords are never kept: each log-in reads
the store, so that a known login takes as long as an unknown one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from relay.address import Address
from relay.clock import Clock
from relay.store.database import Database, Work
from relay.tenants import credentials, dkim_selectors, domains, mailboxes, tenants
from relay.tenants.credentials import Credential
from relay.tenants.dkim_selectors import KeyStatus
from relay.tenants.domains import Domain
from relay.tenants.mailboxes import Mailbox
from relay.tenants.passwords import PasswordChecker
from relay.tenants.tenants import DEFAULT_TENANT, Tenant

MAX_AGE = timedelta(seconds=10)
MAX_ENTRIES = 20_000

T = TypeVar("T")


class Directory:
    """Answers are as of now, or of `MAX_AGE` ago at most."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._passwords = PasswordChecker()
        self._kept: OrderedDict[tuple[str, str], tuple[float, Any]] = OrderedDict()
        self._asked: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._generation = 0

    @property
    def passwords(self) -> PasswordChecker:
        """Where chosen passwords are hashed and checked."""
        return self._passwords

    async def mailbox(self, mailbox_id: str) -> Mailbox | None:
        return await self._recall("id", mailbox_id, lambda: mailboxes.find(self._db, mailbox_id))

    async def mailbox_for_address(self, address: Address, *, strip_tag: bool = False) -> Mailbox | None:
        """The mailbox of exactly this address, or the one that has it as an alias.

        With `strip_tag`, `ann+anything@` also leads to `ann@` where nobody is
        `ann+anything@`.
        """
        found = await self._recall(
            "address", address.key, lambda: mailboxes.find_by_address(self._db, address)
        )
        bare, tag, _ = address.local_part.partition("+")
        if found is None and strip_tag and tag and bare:
            return await self.mailbox_for_address(Address(bare, address.domain))
        return found

    async def sender_mailbox(self, address: Address) -> Mailbox | None:
        """The mailbox under whose rules a client without a login writes from `address`.

        Its own mailbox, or the oldest that names it by a sender pattern.
        """
        found = await self.mailbox_for_address(address, strip_tag=True)
        if found is not None:
            return found
        with_patterns = await self._recall("patterns", "", lambda: mailboxes.with_patterns(self._db))
        return next((mailbox for mailbox in with_patterns if mailbox.owns(address)), None)

    async def postmaster_mailbox(self, domain: str | None = None) -> Mailbox | None:
        """Who reads what is sent to a domain's roles: its first mailbox, else its tenant's first.

        Without a domain, the first mailbox of the house. An alias
        `postmaster@…` says otherwise, and is found before this is asked.
        """
        return await self._recall("postmaster", domain or "", lambda: self._find_postmaster(domain))

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """The tenant of that id."""
        return await self._recall("tenant", tenant_id, lambda: tenants.find(self._db, tenant_id))

    async def domain(self, name: str) -> Domain | None:
        """The domain of that name (A-labels), whoever's it is."""
        return await self._recall("domain", name, lambda: domains.find(self._db, name))

    async def active_selectors(self, name: str) -> tuple[str, ...]:
        """The DKIM selectors that sign for a domain; empty for one that is not here."""
        return await self._recall("selectors", name, lambda: self._find_selectors(name))

    async def check_password(self, login: str, password: str) -> Credential | None:
        """Whose login this is, if the password is right; None otherwise, whatever is wrong.

        Raises TooManyLogins (454 4.7.0) when too many wait already.
        """
        found = await credentials.find_login(self._db, login)
        credential, stored = found or (None, None)
        right = await self._passwords.matches(password, stored)
        return credential if right else None

    async def change(self, work: Work[T]) -> T:
        """Run `work` as a transaction on this room's tables; the next question sees what it did."""
        try:
            return await self._db.transact(work)
        finally:
            self.forget()

    def forget(self) -> None:
        """Drop what is remembered: somebody changed the store without us."""
        self._generation += 1
        self._kept.clear()
        self._asked.clear()

    def close(self) -> None:
        """Let go of the thread that checks passwords."""
        self._passwords.close()

    async def _recall(self, kind: str, key: str, read: Callable[[], Awaitable[T]]) -> T:
        now = self._clock.monotonic()
        kept = self._kept.get((kind, key))
        if kept is not None and now - kept[0] < MAX_AGE.total_seconds():
            value: T = kept[1]
            return value
        asked = self._asked.get((kind, key))
        if asked is None:
            asked = self._asked[kind, key] = asyncio.ensure_future(self._read((kind, key), read))
            asked.add_done_callback(partial(self._answered, (kind, key)))
        answer: T = await asyncio.shield(asked)  # others may wait for it
        return answer

    async def _read(self, place: tuple[str, str], read: Callable[[], Awaitable[T]]) -> T:
        now, generation = self._clock.monotonic(), self._generation
        value = await read()
        # What was read while somebody changed it may be the old.
        if generation == self._generation:
            self._kept[place] = (now, value)
            if len(self._kept) > MAX_ENTRIES:
                self._kept.popitem(last=False)
        return value

    def _answered(self, place: tuple[str, str], asked: "asyncio.Future[Any]") -> None:
        if self._asked.get(place) is asked:
            del self._asked[place]
        if not asked.cancelled():
            asked.exception()  # whoever waits is told; perhaps nobody does any more

    async def _find_postmaster(self, name: str | None) -> Mailbox | None:
        domain = await domains.find(self._db, name) if name else None
        if domain is not None:
            found = await mailboxes.first_of(self._db, domain.tenant_id, domain.id)
            return found or await mailboxes.first_of(self._db, domain.tenant_id)
        return None if name else await mailboxes.first_of(self._db, DEFAULT_TENANT)

    async def _find_selectors(self, name: str) -> tuple[str, ...]:
        domain = await domains.find(self._db, name)
        known = await dkim_selectors.of_domain(self._db, domain) if domain else []
        return tuple(key.selector for key in known if key.status is KeyStatus.ACTIVE)
