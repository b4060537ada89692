"""How the daily allowance of a new mailbox grows: a plan is data, not code."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]
Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WarmupPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """The cap of each sending day: `table` in order, or `start` times `factor` for each day more.

    Days without mail do not count, nor do days that are not in `weekdays`
    (none named: every day counts); on those the cap stands still. The cap
    stays at `ceiling` (recipients a day), or at the last entry of the table.
    """

    start: Count = 10
    factor: Annotated[float, Meta(gt=1.0, le=10.0)] = 1.25
    ceiling: Count = 1000
    table: tuple[Count, ...] = ()
    weekdays: tuple[Weekday, ...] = ()


# What a new installation knows by name; the configuration may replace them and add its own.
PLANS = {"gentle": WarmupPlan(), "standard": WarmupPlan(start=50, factor=1.5, ceiling=2000)}
