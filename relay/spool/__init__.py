"""The mail itself, as it is kept: facts, header and body of every message, out and in."""
