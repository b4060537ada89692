"""One request as a handler sees it: who calls, what is named in the path, and the house."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope

from api.auth import Caller, client_of
from api.house import House
from api.once import Once
from relay.errors import InvalidInput, NotFound
from relay.smtp_server.session import IpAddress
from relay.store.database import Reader
from relay.tenants import api_keys, mailboxes
from relay.tenants.mailboxes import Mailbox
from relay.tenants.reach import mailboxes_in


@dataclass(frozen=True, slots=True)
class Call:
    """`caller` and `once` are there wherever the operation has a scope."""

    house: House
    scope: Scope
    given_caller: Caller | None = None
    given_once: Once | None = None

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def path(self) -> Mapping[str, str]:
        """The parts in curly brackets."""
        path: Mapping[str, str] = self.scope.get("path_params", {})
        return path

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's fields, by names in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}

    @property
    def request_id(self) -> str:
        request_id: str = self.scope.get("request_id", "")
        return request_id

    @property
    def client(self) -> IpAddress | None:
        return client_of(self.scope)

    @property
    def caller(self) -> Caller:
        assert self.given_caller is not None, "an operation without a scope has no caller"
        return self.given_caller

    @property
    def once(self) -> Once:
        assert self.given_once is not None, "an operation without a scope has no caller"
        return self.given_once

    @property
    def tenant_id(self) -> str:
        return self.caller.tenant_id

    async def is_still_allowed(self) -> bool:
        """Whether the key still works: one that is revoked while it listens hears no more."""
        key = await api_keys.get(self.house.db, self.caller.key.tenant_id, self.caller.key.id)
        return key.is_usable(self.house.clock.now())

    def may_use(self, mailbox: Mailbox) -> None:
        """Raise NotFound for another tenant's mailbox, and for every one that the key does not reach."""
        reach = self.caller.reach
        if mailbox.tenant_id != self.tenant_id or (reach is not None and not reach.covers(mailbox)):
            raise NotFound(f"no inbox {mailbox.id}")

    async def may_see(self, mailbox_id: str | None, reader: Reader | None = None) -> bool:
        """Whether what is of that mailbox, or of none, is for this key; that it is the tenant's is known.

        Within a transaction that is the `reader`.
        """
        reach = self.caller.reach
        if reach is None:
            return True
        if mailbox_id is None or mailbox_id in reach.inboxes:
            return mailbox_id is not None
        if not reach.domains:
            return False
        mailbox = await mailboxes.find(reader or self.house.db, mailbox_id)
        return mailbox is not None and mailbox.tenant_id == self.tenant_id and reach.covers(mailbox)

    async def reached(self) -> tuple[str, ...] | None:
        """The ids of the mailboxes that the key reaches now; None for all of the tenant's."""
        reach = self.caller.reach
        return None if reach is None else await mailboxes_in(self.house.db, self.tenant_id, reach)

    async def mailbox(self, address_or_id: str) -> Mailbox:
        """The caller's inbox by id or address; raises NotFound also for one that it may not use."""
        try:
            found = await mailboxes.get(self.house.db, self.tenant_id, address_or_id)
            self.may_use(found)
        except (NotFound, InvalidInput) as error:
            raise NotFound(f"no inbox {address_or_id}") from error
        return found
