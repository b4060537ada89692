"""How the daily allowance of a new mailbox grows: a plan is data, not code."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]


class WarmupPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """The cap of each sending day: `table` in order, or `start` times `factor` for each day more.

    Days without mail do not count. The plan ends where it reaches `ceiling`
    (recipients a day), or with the last entry of the table.
    """

    start: Count = 10
    factor: Annotated[float, Meta(gt=1.0, le=10.0)] = 1.25
    ceiling: Count = 1000
    table: tuple[Count, ...] = ()
