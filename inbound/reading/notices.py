"""Notices of bounces in no standard form: whom they say that they could not reach.

The library for that stands on the standard library's parser, which stumbles
over hostile mail; so it sees little, only mail that looks like a notice, and
whatever goes wrong with it is nothing found.
"""

import email
import logging

from flufl.bounce import all_failures

from inbound.reading.parsed import FoundBounce

_MAX_HEADER = 32_768
_MAX_BODY = 131_072
_MAX_FOUND = 1000

logging.getLogger("flufl.bounce").disabled = True


def read_notice(header: bytes, body: bytes) -> tuple[FoundBounce, ...]:
    """The addresses found in the first octets of a message; never raises but for want of memory."""
    octets = header[:_MAX_HEADER].rstrip(b"\r\n") + b"\r\n\r\n" + body[:_MAX_BODY]
    try:
        temporary, permanent = all_failures(email.message_from_bytes(octets))
        found = [(address, True) for address in permanent] + [
            (address, False) for address in temporary - permanent
        ]
    except MemoryError:
        raise
    except Exception:
        return ()
    return tuple(FoundBounce(_text(address), is_final) for address, is_final in sorted(found)[:_MAX_FOUND])


def _text(address: bytes | str) -> str:
    text = address.decode("utf-8", "replace") if isinstance(address, bytes) else address
    return text.encode("utf-8", "replace").decode().replace("\0", "")
