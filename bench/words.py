"""Text with words as uneven as in a language: a few everywhere, most of them rare."""

import random

_STARTS = ("in", "de", "pro", "con", "re", "ex", "per", "sub", "trans", "ob", "a", "e", "be", "un", "over")
_MIDDLES = ("voi", "duc", "trac", "por", "mi", "for", "cep", "sis", "fer", "gre", "scri", "jec", "po", "ten")
_ENDS = ("ce", "t", "ts", "ted", "ting", "tion", "tions", "se", "m", "r", "ss", "be", "ver", "clude", "pt")
_VOCABULARY = [a + b + c for a in _STARTS for b in _MIDDLES for c in _ENDS]
random.Random(1).shuffle(_VOCABULARY)
# Zipf: the n-th word is 1/n as frequent as the first.
_WEIGHTS = [1 / rank for rank in range(1, len(_VOCABULARY) + 1)]


def prose(rng: random.Random, size: int) -> str:
    """About so many octets in lines of about 70, each ended by CRLF."""
    lines, left = [], size
    while left > 0:
        line = " ".join(rng.choices(_VOCABULARY, _WEIGHTS, k=10))
        lines.append(line + "\r\n")
        left -= len(line) + 2
    return "".join(lines)
