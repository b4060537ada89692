"""What others say of a client and its mail: block lists (RFC 5782), a spam filter.

Both are optional, and neither is waited for long: who does not answer has
said nothing.
"""

import msgspec


class SpamVerdict(msgspec.Struct, frozen=True):
    """What the spam filter found: its advice, its score, and the rules that made it."""

    action: str
    score: float
    symbols: tuple[str, ...] = ()
    is_spam: bool = False


class Screening(msgspec.Struct, frozen=True):
    """`dnsbl` are the zones that list the client."""

    dnsbl: tuple[str, ...] = ()
    spam: SpamVerdict | None = None
