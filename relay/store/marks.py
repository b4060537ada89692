"""Marks that keep a store closed: one that mail is being moved into, and one whose mail has moved away.

They stand among the steps of the schema, where a version that does not know
them refuses the store as well, because it would be a later one's.
"""

from collections.abc import Sequence

from relay.errors import PosthouseError

MOVED: str = "moved_to_postgresql"
UNFINISHED: str = "unfinished_move"
_SEPARATOR = ":"


class StoreMoved(PosthouseError):
    """The mail of this store is in another one now."""


class MoveUnfinished(PosthouseError):
    """A move into this store began and did not come to its end."""


def unfinished(source: str) -> str:
    """The mark of a store into which the one that is known as `source` is being moved."""
    return f"{UNFINISHED}{_SEPARATOR}{source}"


def source_of(applied: Sequence[str]) -> str | None:
    """Which store's move into this one is unfinished; None when there is none."""
    marks = [name for name in applied if name.startswith(UNFINISHED + _SEPARATOR)]
    return marks[0].partition(_SEPARATOR)[2] if marks else None


def refuse_marked(applied: Sequence[str]) -> None:
    """Raise StoreMoved or MoveUnfinished for a store that must not be used."""
    if MOVED in applied:
        raise StoreMoved(
            "the mail of this store was moved to PostgreSQL: let store.url name that server"
            " (docs/operations.md, Moving up, says how to go back)"
        )
    if source_of(applied) is not None:
        raise MoveUnfinished(
            "a move into this store was not finished: run `posthouse store move` again,"
            " or go on with the store that it began from, which is as it was"
        )
