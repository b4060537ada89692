"""Who logs in: a mailbox's address and its password."""

from dataclasses import dataclass

from relay.address import InvalidAddress, parse_address
from relay.store.database import Reader


@dataclass(frozen=True, slots=True)
class Credential:
    """A login that proved itself. `login` is the mailbox's address, in lower case."""

    login: str
    mailbox_id: str
    tenant_id: str


async def find_login(reader: Reader, login: str) -> tuple[Credential, str | None] | None:
    """The credential behind a login and what its password is kept as; the same read for any text.

    A login is a mailbox's own address, in any case of letters; an alias is none.
    """
    key = _key(login)
    row = await reader.fetch_one(
        "select id, tenant_id, address, password_hash from mailboxes where address = $1", key
    )
    if row is None:
        return None
    return Credential(row["address"], row["id"], row["tenant_id"]), row["password_hash"]


def _key(login: str) -> str:
    try:
        return parse_address(login.strip()).key
    except InvalidAddress:
        return ""  # nobody's address
