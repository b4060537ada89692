"""The kept inputs of each target, and what a few random changes make of them."""

from pathlib import Path
from random import Random

from tests.hostile.letters import KINDS, letter

CORPUS = Path(__file__).parents[1] / "corpus" / "fuzz"
_INTERESTING = (
    b"\0",
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b'"',
    b"<",
    b">",
    b"(",
    b"%",
    b"&",
    b"=",
    b";",
    b":",
    b"@",
    b"\xff",
)


def seeds_of(name: str) -> list[bytes]:
    """What is kept for a target; letters are a corpus of their own."""
    kept = [file.read_bytes() for file in sorted((CORPUS / name).glob("*"))]
    return kept + KINDS if name in ("letters", "headers", "signatures") else kept


def damaged(chance: Random, corpus: list[bytes]) -> bytes:
    """One of them with octets changed, taken out, doubled, or put together with another."""
    octets = bytearray(chance.choice(corpus))
    if octets in KINDS:
        return letter(chance)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at, length = chance.randrange(len(octets) + 1), chance.choice((0, 1, 1, 3, 20))
        draw = chance.randrange(5)
        if draw == 0:
            octets[at : at + length] = chance.choice(_INTERESTING)
        elif draw == 1:
            octets[at : at + length] = bytes([chance.randrange(256)])
        elif draw == 2:
            octets[at:at] = octets[at : at + length] * chance.choice((1, 3, 200))
        elif draw == 3:
            del octets[at : at + length]
        else:
            other = chance.choice(corpus)
            octets[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(octets[:20_000])
