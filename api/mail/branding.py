"""What a brand decides of a message that names it: who sends it, from which pool, where its links lead."""

from msgspec import structs
from msgspec.structs import replace

from api.call import Call
from api.mail.emails import NewEmail
from api.mail.outgoing import Outgoing
from api.mail.people import Named
from api.problems import invalid
from relay.errors import NotFound
from relay.message.person import Person
from relay.tenants import brands
from relay.tenants.brands import Brand
from relay.tracking.places import base_of


async def brand_of(call: Call, wish: NewEmail) -> Brand | None:
    """The brand that the message names; raises Problem (422) for one that is not here."""
    if wish.brand is None:
        return None
    try:
        return await brands.get(call.house.db, call.tenant_id, wish.brand)
    except NotFound as error:
        raise invalid("$.brand", "names no brand of yours") from error


def under_brand(call: Call, wish: NewEmail, brand: Brand | None) -> NewEmail:
    """The message with what the brand says where it says nothing itself.

    Who names an inbox means its address. A bound key keeps to its inboxes: a
    brand's pool is not for it.
    """
    if brand is None:
        return wish
    if wish.sender is None and wish.inbox_id is None and brand.sender_address is not None:
        sender = Named(address=brand.sender_address, name=brand.sender_name)
        wish = structs.replace(wish, sender=sender)
    if wish.pool is None and brand.pool is not None and call.caller.reach is None:
        wish = structs.replace(wish, pool=brand.pool)
    return wish


def branded(call: Call, wish: NewEmail, outgoing: Outgoing, brand: Brand | None) -> Outgoing:
    """With the brand's tracking host once it leads here, and its name where the message names no sender."""
    if brand is None:
        return outgoing
    sender, base = outgoing.sender, ""
    if brand.usable_host is not None:
        base = base_of(call.house.config.api.public_url, brand.usable_host)
    return replace(
        outgoing,
        sender=sender if wish.sender else Person(sender.address, brand.sender_name or sender.name),
        marks=replace(outgoing.marks, base=base),
        wishes=replace(outgoing.wishes, brand_id=brand.id),
    )
