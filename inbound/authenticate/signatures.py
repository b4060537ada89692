"""All signatures of one message: what the server asks the reading child for, and what comes back.

The question carries the keys, because the child has no network, and the time,
because the server's clock is the one that counts.
"""

from pathlib import Path

import msgspec

from inbound.authenticate.arc import verify_chain
from inbound.authenticate.dkim import verify_signatures
from inbound.authenticate.results import ArcResult, DkimResult
from inbound.authenticate.signature import Body


class SignatureCheck(msgspec.Struct, frozen=True):
    """A message, its body at hand or in a file, with the key records by name.

    A key that is None is trouble with the DNS, b"" is no key. `at` is the
    present, in microseconds since the epoch.
    """

    header: bytes
    body: bytes | None
    body_file: str | None
    keys: dict[str, bytes | None]
    at: int


class Signatures(msgspec.Struct, frozen=True):
    """The verdicts on each DKIM signature, from the top, and on the ARC chain."""

    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult = ArcResult()


def check_signatures(asked: SignatureCheck) -> Signatures:
    """Judge them all; raises OSError alone, for a body's file that cannot be read."""
    octets = asked.body or b""
    if asked.body_file is not None:
        octets = Path(asked.body_file).read_bytes()
    body = Body(octets)
    return Signatures(
        tuple(verify_signatures(asked.header, body, asked.keys, asked.at)),
        verify_chain(asked.header, body, asked.keys),
    )
