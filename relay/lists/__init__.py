"""Who may be written to, and who may write here: allow and block lists of a tenant or of one mailbox.

`entry` reads what a person lists, `records` keeps it and judges addresses by
it, `gate` remembers the judgement for mail that goes out.
"""

from relay.lists.entry import read_entry
from relay.lists.gate import Gate, RecipientNotAllowed
from relay.lists.records import Direction, ListEntry, ListType, Verdict

__all__ = [
    "Direction",
    "Gate",
    "ListEntry",
    "ListType",
    "RecipientNotAllowed",
    "Verdict",
    "read_entry",
]
