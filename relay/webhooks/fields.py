"""The header fields that an endpoint's owner may have on posts: a signature's, and fixed ones of his own.

Nothing that ends a line, nothing that belongs to the connection, and nothing
by which a post says what it is: those are ours (RFC 9110 §7.6.1, §5.5).
"""

import re
from collections.abc import Mapping
from typing import Final

from relay.errors import InvalidInput

MOST_FIELDS: Final = 10
LONGEST_NAME: Final = 100
LONGEST_VALUE: Final = 1000
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?\Z")
_OF_THE_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"),
        *("proxy-authorization", "proxy-authenticate", "expect", "http2-settings", "max-forwards", "via"),
    }
)
_OURS = frozenset({"host", "user-agent", "accept", "date", "forwarded", "range", "if-match"})
_OURS_BEGIN = ("webhook-", "svix-", "content-", "accept-", "x-forwarded-", "if-")


def check_field_name(name: str) -> None:
    """Raise InvalidInput for what is no field's name, or one that is not for its owner to write."""
    if len(name) > LONGEST_NAME or not _NAME.match(name):
        raise InvalidInput(f"{name[:LONGEST_NAME]!r} is no name of a header field")
    lowered = name.lower()
    if lowered in _OF_THE_CONNECTION or lowered in _OURS or lowered.startswith(_OURS_BEGIN):
        raise InvalidInput(f"the field {name} is ours to write")


def check_fields(fields: Mapping[str, str], signature_field: str | None) -> None:
    """Raise InvalidInput unless all of these may stand on a post; values are not told again."""
    if len(fields) > MOST_FIELDS:
        raise InvalidInput(f"an endpoint has at most {MOST_FIELDS} header fields of its own")
    seen = {signature_field.lower()} if signature_field else set[str]()
    for name, value in fields.items():
        check_field_name(name)
        if name.lower() in seen:
            raise InvalidInput(f"the field {name} stands there already")
        seen.add(name.lower())
        if len(value) > LONGEST_VALUE or not _VALUE.match(value):
            raise InvalidInput(
                f"the value of {name} is not one line of at most {LONGEST_VALUE} visible ASCII characters"
            )
