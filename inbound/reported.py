"""The addresses that reports name, and which recipients of a message they mean.

A report is written by strangers, so it says something only about recipients
that the message really had.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.address import Address, InvalidAddress, parse_address
from relay.message.xtext import original_recipient
from relay.queue.records import QueuedRecipient

_COMMENT = re.compile(r"\s*\([^()]*\)\s*\Z")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a report changed, by address.

    `recorded` have a new event, `suppressed` are not written to from now on,
    `unsettled` are in an attempt of which the outcome is not written down yet
    (the report is worth another look after it), `unmatched` were named but
    are no recipients of the message.
    """

    recorded: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


def typed_addresses(value: str) -> tuple[Address, ...]:
    """What a field such as `rfc822; ann@example.net` may mean (RFC 3464 §2.3.1, RFC 6533 §3).

    As it is written, and decoded from xtext or the ASCII form of UTF-8: some
    servers decode ORCPT before they report it, and some do not.
    """
    kind, semicolon, text = _COMMENT.sub("", value).partition(";")
    kind, text = (kind.strip(), text.strip(" \t<>")) if semicolon else ("rfc822", kind.strip(" \t<>"))
    decoded = (original_recipient(f"{kind};{text}", utf8=True) or "").partition("; ")[2]
    found = (_address(text), _address(decoded))
    return tuple(dict.fromkeys(address for address in found if address is not None))


def path_address(value: str) -> Address | None:
    """The address of a path with or without its brackets; None for the null path and for what is none."""
    return _address(_COMMENT.sub("", value).strip(" \t<>"))


class Roster:
    """The recipients of one message, by the names that reports give them."""

    __slots__ = ("_by_address", "_by_key", "_by_orcpt")

    def __init__(self, rows: Sequence[QueuedRecipient]) -> None:
        self._by_address: dict[Address, list[QueuedRecipient]] = {}
        self._by_key: dict[str, list[QueuedRecipient]] = {}
        self._by_orcpt: dict[str, list[QueuedRecipient]] = {}
        for row in rows:
            self._by_address.setdefault(row.address, []).append(row)
            self._by_key.setdefault(row.address.key, []).append(row)
            for called in typed_addresses(row.orcpt) if row.orcpt else ():
                self._by_orcpt.setdefault(called.key, []).append(row)

    def named(self, addresses: Iterable[Address]) -> list[QueuedRecipient]:
        """The recipients that one of `addresses` means: as they were written, else in any case of letters.

        Else as the submitter called them in ORCPT, which reports repeat (RFC 3461 §4.2).
        """
        wanted = tuple(dict.fromkeys(addresses))
        return (
            [row for address in wanted for row in self._by_address.get(address, ())]
            or [row for address in wanted for row in self._by_key.get(address.key, ())]
            or [row for address in wanted for row in self._by_orcpt.get(address.key, ())]
        )


def _address(text: str) -> Address | None:
    try:
        return parse_address(text)
    except InvalidAddress:
        return None
