"""The steps that bring a store to today's tables, in order; each is one SQL file.

A step never changes once it has been released. Both engines run the same text.
"""

from collections.abc import Iterator
from importlib.resources import files


def steps() -> list[tuple[str, str]]:
    """Name and SQL text of every step, oldest first."""
    found = [entry for entry in files(__name__).iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name.removesuffix(".sql"), entry.read_text("utf-8")) for entry in found)


def statements(text: str) -> Iterator[str]:
    """The single statements of a step, which hold no semicolon but the one that ends them."""
    lines = (line.split("--")[0].rstrip() for line in text.splitlines())
    for statement in "\n".join(line for line in lines if line).split(";"):
        if statement.strip():
            yield statement.strip()
