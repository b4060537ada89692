"""Whose footer stands below an email: its own, else its brand's, else that of its tenant's settings."""

from msgspec.structs import replace

from api.call import Call
from api.house import House
from api.mail.composing import in_plain
from api.mail.emails import NewEmail
from api.mail.marks import NewUnsubscribe
from api.mail.outgoing import Outgoing
from relay.tenants.brands import Brand
from relay.tenants.tenants import Settings
from relay.tracking.footers import Footer

MOST_KEPT = 100  # texts of footers that are HTML alone


async def with_footer(call: Call, outgoing: Outgoing, wish: NewEmail, brand: Brand | None) -> Outgoing:
    """The email with the footer that it is to have.

    The postal address is the brand's, else the tenant's, also below words of
    the email's own; it is not said twice.
    """
    said = _own(wish)
    if not wish.footer and not said:
        return outgoing
    given = await _given(call, brand) if wish.footer else Footer()
    footer = replace(given, html="", text=said) if said else await _in_both_forms(call.house, given)
    if footer.postal_address and footer.postal_address in footer.text:
        footer = replace(footer, postal_address="")
    return replace(outgoing, marks=replace(outgoing.marks, footer=footer, own_footer=bool(said)))


def _own(wish: NewEmail) -> str:
    return (wish.unsubscribe.footer or "") if isinstance(wish.unsubscribe, NewUnsubscribe) else ""


async def _given(call: Call, brand: Brand | None) -> Footer:
    """What brand and tenant say together: words of one of them, and an address of one of them."""
    tenant = await call.house.directory.tenant(call.tenant_id)
    settings = tenant.settings if tenant is not None else Settings()
    words: Brand | Settings = brand if brand and (brand.footer_html or brand.footer_text) else settings
    address = (brand.postal_address if brand else "") or settings.postal_address
    return Footer(words.footer_html, words.footer_text, address)


async def _in_both_forms(house: House, footer: Footer) -> Footer:
    """HTML alone gets the text that its readers without HTML see."""
    if footer.text or not footer.html:
        return footer
    text = house.footer_texts.get(footer.html)
    if text is None:
        text = await in_plain(house, footer.html)
        if text:  # a child that failed says nothing of the next time
            house.footer_texts[footer.html] = text
            while len(house.footer_texts) > MOST_KEPT:
                house.footer_texts.popitem(last=False)
    return replace(footer, text=text)
