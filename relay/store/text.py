"""Text as every engine can keep it.

Headers are octets, and people write what is neither UTF-8 nor meant to be.
SQLite takes no lone surrogates, PostgreSQL no NUL besides: a text for people
to read is kept with question marks there, so that nobody's mail fails for it.
"""


def storable(text: str) -> str:
    """`text` with a question mark for each lone surrogate and NUL; for display, never for an address."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
