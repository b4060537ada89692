"""Who may be written to, and who may write here: allow and block lists of a tenant or of one mailbox.

`records` keeps what a person lists (read by `tenants.entries`) and judges addresses by
it, `gate` remembers the judgement for mail that goes out.
"""

from relay.lists.gate import Gate, RecipientNotAllowed
from relay.lists.records import Direction, ListEntry, ListType, Verdict
from relay.tenants.entries import read_entry

__all__ = [
    "Direction",
    "Gate",
    "ListEntry",
    "ListType",
    "RecipientNotAllowed",
    "Verdict",
    "read_entry",
]
