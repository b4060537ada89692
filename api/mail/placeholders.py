"""What is known only when a message is composed, and stands as a mark in it until then.

`{{unsubscribe_url}}` is such a place: the link is signed for one message. The
letter that is kept keeps the mark, so that nobody who reads it unsubscribes
its recipient.
"""

from urllib.parse import quote

from relay.address import Address
from relay.tracking.insertions import UNSUBSCRIBE_URL

__all__ = ["UNSUBSCRIBE_URL", "filled", "unsubscribe_by_mail"]


def filled(text: str | None, reply_address: Address) -> str | None:
    """The text with the link in the places that ask for it."""
    if text is None or UNSUBSCRIBE_URL not in text:
        return text
    return text.replace(UNSUBSCRIBE_URL, unsubscribe_by_mail(reply_address))


def unsubscribe_by_mail(reply_address: Address) -> str:
    """A link that writes to the message's signed reply address, where the word is understood."""
    return f"mailto:{quote(str(reply_address), safe='@+')}?subject=unsubscribe"
