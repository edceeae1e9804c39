"""How long the provider takes to answer, and a text to arrive: histograms, and what is read from them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

BUCKET_BOUNDS_SECONDS: Final = (
    *(0.001, 0.0015, 0.0022, 0.0033, 0.0047, 0.0068),
    *(0.010, 0.015, 0.022, 0.033, 0.047, 0.068),
    *(0.10, 0.15, 0.22, 0.33, 0.47, 0.68),
    *(1.0, 1.5, 2.2, 3.3, 4.7, 6.8),
    *(10.0, 15.0, 22.0, 33.0, 47.0, 68.0, 100.0),
)
"""Upper bounds of a histogram's buckets: six a decade (the E6 series), so that a quantile read from it
is off by less than half. The bucket after the last one holds what is longer. The numbers of the
buckets are stored in the database: never change the bounds."""
WAY_BOUNDS_SECONDS: Final = tuple(
    step * 10.0**decade for decade in range(-1, 6) for step in (1.0, 1.5, 2.2, 3.3, 4.7, 6.8)
)
"""The same for the way of a text to its phone, which may have been off: a tenth of a second to eight days."""


def bucket(seconds: float, bounds: Sequence[float] = BUCKET_BOUNDS_SECONDS) -> int:
    """Return the number of the bucket a latency belongs to, 0 to ``len(bounds)``."""
    return bisect_left(bounds, seconds)


def count_by_bucket(
    latencies_seconds: Iterable[float], bounds: Sequence[float] = BUCKET_BOUNDS_SECONDS
) -> dict[int, int]:
    """How many of the latencies belong to each bucket. They are sorted first, for then it takes a search a bucket
    and not a search a latency: this sees each call of ours several times."""
    ordered = sorted(latencies_seconds)
    counts = {}
    begin = 0
    while begin < len(ordered):
        number = bucket(ordered[begin], bounds)
        is_last = number == len(bounds)
        end = len(ordered) if is_last else bisect_right(ordered, bounds[number], begin)
        counts[number] = end - begin
        begin = end
    return counts


def quantile(counts: Mapping[int, int], q: float, bounds: Sequence[float] = BUCKET_BOUNDS_SECONDS) -> float | None:
    """Estimate the latency in seconds that the share ``q`` (0 to 1) of calls did not exceed.

    ``counts`` is calls by bucket number of ``bounds``. Within a bucket they are taken to be spread evenly; for the
    last bucket, which has no upper bound, the answer is the lower one. ``None`` without calls.
    """
    edges = (0.0, *bounds, bounds[-1])
    rank = q * sum(counts.values())
    below = 0
    result = None
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = counts.get(number, 0)
        if inside > 0:
            result = low + (high - low) * min(1.0, (rank - below) / inside)
            below += inside
            if below >= rank:
                break
    return result


def mean(counts: Mapping[int, int]) -> float | None:
    """Estimate the mean latency in seconds, each call taken to be in the middle of its bucket; ``None`` without
    calls."""
    edges = (0.0, *BUCKET_BOUNDS_SECONDS, BUCKET_BOUNDS_SECONDS[-1])
    calls = sum(counts.values())
    seconds = sum(number * (edges[each] + edges[each + 1]) / 2 for each, number in counts.items())
    return seconds / calls if calls else None
