"""An address for a mailbox that was given only a name: `Ann Lee` becomes `ann-lee@` the tenant's domain.

Where that is taken, or would be read as a role's, some letters of chance stand
behind it.
"""

import re
import secrets
import unicodedata

import msgspec

from relay.address import Address
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.store.database import Reader
from relay.tenants import domains, mailboxes
from relay.tenants.domains import Domain
from relay.tenants.mailbox_changes import NewMailbox

LONGEST = 40
NAMELESS = "inbox"
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is read for another
_CHANCE = 6
_OTHER = re.compile(r"[^a-z0-9]+")
# Names that others write to for what they mean (RFC 2142, RFC 5321 §4.5.1).
_ROLES = frozenset(
    [
        "abuse",
        "postmaster",
        "hostmaster",
        "webmaster",
        "mailer-daemon",
        "noc",
        "security",
        "root",
        "admin",
        "administrator",
    ]
)


class NoVerifiedDomain(Refusal):
    """There is no domain on which an address could be made."""

    reply = SmtpReply(550, "5.7.1", "No domain is verified yet: verify one, or name the address")
    code = "domain_not_verified"


async def give_address(reader: Reader, tenant_id: str, wanted: NewMailbox, domain: str | None) -> NewMailbox:
    """The same mailbox with a free address. Raises NoVerifiedDomain, NotFound for the domain."""
    home = await _domain(reader, tenant_id, domain)
    slug = slug_of(wanted.name)
    address = Address(slug, home.name)
    while slug in _ROLES or await mailboxes.find_by_address(reader, address) is not None:
        chance = "".join(secrets.choice(_LETTERS) for _ in range(_CHANCE))
        slug = f"{slug_of(wanted.name)}-{chance}"
        address = Address(slug, home.name)
    return msgspec.structs.replace(wanted, address=str(address))


def slug_of(name: str) -> str:
    """A name in small letters, digits and hyphens, as a local part; `inbox` where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("-", plain)[:LONGEST].strip("-") or NAMELESS


async def _domain(reader: Reader, tenant_id: str, name: str | None) -> Domain:
    if name is not None:
        key = name if name.startswith("dom_") else domains.read_name(name)
        return await domains.get(reader, tenant_id, key)
    verified = [found for found in await domains.list_of_tenant(reader, tenant_id) if found.is_verified]
    if not verified:
        raise NoVerifiedDomain(f"{tenant_id} has no verified domain")
    return min(verified, key=lambda found: (found.created_at, found.id))
