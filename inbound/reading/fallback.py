"""What the header alone says of a message that could not be taken apart."""

from inbound.reading.parsed import Parsed
from relay.address import InvalidAddress
from relay.message.headers import Header, MalformedHeader, addresses_of, decode_words
from relay.message.person import Person

_LONGEST = 10_000
_LONGEST_LIST = 2000


def header_only(header: bytes) -> Parsed:
    """The usual fields, as far as the strict readers understand them; flagged as unreadable. Never raises.

    It runs in the server, so it shares nothing with the readers that failed.
    """
    try:
        read = Header.parse(header)
    except MalformedHeader:
        return Parsed(flags=("unreadable",))
    message_id = (read.first("message-id") or "").strip()
    is_plain = message_id.isascii() and len(message_id) < _LONGEST // 10 and len(message_id.split()) == 1
    return Parsed(
        sender=_people(read, "from"),
        to=_people(read, "to"),
        cc=_people(read, "cc"),
        reply_to=_people(read, "reply-to"),
        subject=decode_words((read.first("subject") or "")[:_LONGEST]),
        message_id=message_id if is_plain else "",
        flags=("unreadable",),
    )


def _people(header: Header, name: str) -> tuple[Person, ...]:
    value = header.first(name) or ""
    if not value or len(value) > _LONGEST_LIST:
        return ()
    try:
        return tuple(Person(str(address)) for address in addresses_of(value))
    except InvalidAddress:
        return ()
