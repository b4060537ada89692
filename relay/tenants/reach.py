"""How far an API key reaches within its tenant: everything, or some mailboxes and those of some domains.

What is removed is taken out of the keys that reached it; a key that reached
nothing else goes with it, so that none becomes wider by a loss.
"""

from collections.abc import Sequence

import msgspec

from relay.store.database import Reader, Transaction
from relay.tenants.mailboxes import Mailbox

# Both are texts of ours, in which `like` finds no more than a few too many.
_NAMING = "select id, reach from api_keys where tenant_id = $1 and reach like '%' || $2 || '%'"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Mailboxes by id, and domains by name: it covers what either of them names."""

    inboxes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not self.inboxes and not self.domains

    @property
    def only_inbox(self) -> str | None:
        """The one mailbox that it names, if it names nothing else."""
        return self.inboxes[0] if len(self.inboxes) == 1 and not self.domains else None

    def covers(self, mailbox: Mailbox) -> bool:
        """Whether the mailbox is one of those."""
        return mailbox.id in self.inboxes or mailbox.address.domain in self.domains

    def may_write_as(self, mailbox: Mailbox, domain: str) -> bool:
        """Whether such a mailbox may write from `domain`: one that is reached by its domain stays there."""
        return mailbox.id in self.inboxes or domain in self.domains


def to_json(reach: Reach | None) -> str | None:
    return None if reach is None else msgspec.json.encode(reach).decode()


def from_json(text: str | None) -> Reach | None:
    return None if text is None else msgspec.json.decode(text, type=Reach)


def reach_of(mailboxes: Sequence[Mailbox], domains: Sequence[str]) -> Reach | None:
    """What a key is bound to; None where nothing is named, and it reaches everything."""
    if not mailboxes and not domains:
        return None
    ids = dict.fromkeys(mailbox.id for mailbox in mailboxes)
    return Reach(inboxes=tuple(ids), domains=tuple(dict.fromkeys(domains)))


async def mailboxes_in(reader: Reader, tenant_id: str, reach: Reach) -> tuple[str, ...]:
    """The ids of the tenant's mailboxes that it covers now; those that it names are not looked for."""
    if not reach.domains:
        return reach.inboxes
    rows = await reader.fetch_all(
        "select m.id from mailboxes m join domains d on d.id = m.domain_id"
        " where d.tenant_id = $1 and d.name in (select value from {each:$2})",
        tenant_id,
        msgspec.json.encode(reach.domains).decode(),
    )
    return tuple(dict.fromkeys((*reach.inboxes, *(row["id"] for row in rows))))


async def forget_mailbox(tx: Transaction, tenant_id: str, mailbox_id: str) -> None:
    """No key reaches the mailbox any more, which is about to be removed."""
    for row in await tx.fetch_all(_NAMING, tenant_id, mailbox_id):
        reach = msgspec.json.decode(row["reach"], type=Reach)
        left = tuple(each for each in reach.inboxes if each != mailbox_id)
        await _write(tx, row["id"], msgspec.structs.replace(reach, inboxes=left))


async def forget_domain(tx: Transaction, tenant_id: str, name: str) -> None:
    """No key reaches the domain any more, which is about to be removed."""
    for row in await tx.fetch_all(_NAMING, tenant_id, name):
        reach = msgspec.json.decode(row["reach"], type=Reach)
        left = tuple(each for each in reach.domains if each != name)
        await _write(tx, row["id"], msgspec.structs.replace(reach, domains=left))


async def _write(tx: Transaction, key_id: str, reach: Reach) -> None:
    if reach.is_nothing:
        await tx.execute("delete from api_keys where id = $1", key_id)
    else:
        await tx.execute("update api_keys set reach = $1 where id = $2", to_json(reach), key_id)
