"""How long things took, in buckets that can be added up; a quantile of them is off by 5 % at most.

Each bucket ends some 10 % above the one before, from a millisecond on. What
a bucket stands for is between its ends, so that neither is further away than
`ERROR` of itself.
"""

import math
from collections.abc import Mapping
from typing import Final

ERROR: Final = 0.05
_GROWTH: Final = (1 + ERROR) / (1 - ERROR)
_SHORTEST_US: Final = 1000


def bucket_of(microseconds: int) -> int:
    """The bucket of a span; what takes a millisecond or less is in the first, 0."""
    if microseconds <= _SHORTEST_US:
        return 0
    return math.ceil(math.log(microseconds / _SHORTEST_US, _GROWTH))


def seconds_of(bucket: int) -> float:
    """What a bucket stands for."""
    return _SHORTEST_US * _GROWTH**bucket * 2 / (_GROWTH + 1) / 1e6


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The span in seconds that `share` of all stayed within; None where there are none."""
    total = sum(buckets.values())
    rank = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank and total:
            return round(seconds_of(bucket), 4)
    return None
