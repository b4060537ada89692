"""A quantile from buckets is off by five in a hundred at most, and buckets can be added up."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relay.analytics.buckets import ERROR, bucket_of, quantile, seconds_of

SPANS = st.integers(1_000, 40 * 86_400 * 1_000_000)


@given(SPANS)
def test_what_a_bucket_stands_for_is_near_whatever_is_in_it(microseconds: int) -> None:
    assert abs(seconds_of(bucket_of(microseconds)) - microseconds / 1e6) <= ERROR * 1.001 * microseconds / 1e6


@given(st.lists(SPANS, min_size=1), st.lists(SPANS), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_of_added_buckets_is_near_that_of_all_spans(
    some: list[int], more: list[int], share: float
) -> None:
    added = Counter(map(bucket_of, some)) + Counter(map(bucket_of, more))
    true = sorted(some + more)[math.ceil(share * len(some + more)) - 1] / 1e6
    found = quantile(added, share)
    assert found is not None
    assert abs(found - true) <= ERROR * 1.001 * true + 0.0001


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile({}, 0.5) is None
