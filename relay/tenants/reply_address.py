"""The signed reply address: whoever answers there says which of our messages they answer.

`ann+r.<message><mac>@example.com` is the mailbox's own address with a tag;
where that would exceed 64 octets, or where the tag would not lead back to
the mailbox, it is `r+<message><mac>@example.com`. See `signed_address`.
"""

from relay.address import Address, quote_local_part
from relay.tenants import signed_address

PREFIX = "r+"
_TAG = "+r."
_CONTEXT = b"posthouse reply address 1\0"
_ROOM = signed_address.MAX_LOCAL_PART - len(PREFIX)


def encode(message_id: str, secret: bytes, mailbox_address: Address) -> Address:
    """The reply address of one message from that mailbox; raises ValueError for another kind of id."""
    signed = signed_address.sign(message_id, secret, _CONTEXT, _ROOM)
    own = mailbox_address.local_part
    tagged = f"{own}{_TAG}{signed}"
    # What stands before the first plus is looked up; quotes and UTF-8 do not survive every program.
    is_plain = "+" not in own and own.isascii() and quote_local_part(own) == own
    if is_plain and len(tagged) <= signed_address.MAX_LOCAL_PART:
        return Address(tagged, mailbox_address.domain)
    return Address(PREFIX + signed, mailbox_address.domain)


def decode(address: Address, secret: bytes) -> str | None:
    """The id of the message that `address` was made for; None if we did not make it.

    It proves which message is meant, not to whom the answer came: compare
    the mailbox of the message with the one that receives.
    """
    local = address.local_part.lower()
    signed = local[len(PREFIX) :] if is_without_mailbox(address) else local.rpartition(_TAG)[2]
    return None if signed == local else signed_address.verify(signed, secret, _CONTEXT, _ROOM)


def is_without_mailbox(address: Address) -> bool:
    """Whether it has the form that does not name its mailbox."""
    local = address.local_part.lower()
    return local.startswith(PREFIX) and _TAG not in local
