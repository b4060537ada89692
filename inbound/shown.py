"""A received message as it leaves the house again: our verdicts on its sender on top, forged ones gone.

What is stored stays as it came. Whoever reads the raw form believes an
Authentication-Results by the name at its front, so that none but ours may
bear our name (RFC 8601 §5).
"""

from inbound.authenticate.field import authentication_results, without_forged
from inbound.letters.letter import Letter
from relay.message.headers import Header


def shown_header(letter: Letter, stored: bytes, hostname: str) -> bytes:
    """The header block of a letter for others to read; mail of our own is as it is kept."""
    if letter.direction == "out":
        return stored
    kept = bytes(without_forged(Header.parse(stored), hostname))
    if letter.authentication is None:
        return kept
    return authentication_results(letter.authentication, hostname) + kept
