"""No caller can make the log grow faster than a line a second."""

from __future__ import annotations

import io
import logging
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common import logs
from common.line_limit import LineLimit, LineLimitFilter


def test_one_line_a_period_for_each_cause_and_how_many_were_left_out() -> None:
    now = [100.0]
    limit, lines = LineLimit(clock=lambda: now[0]), []

    def write(event: str, **fields: object) -> None:
        lines.append((event, fields))

    for _ in range(5):
        limit.write(write, "refused", "a", peer="a")
    limit.write(write, "refused", "b", peer="b")
    limit.write(write, "failed", "a", peer="a")
    now[0] += 1
    limit.write(write, "refused", "a", peer="a")
    limit.write(write, "refused", "b", peer="b")
    assert lines == [
        ("refused", {"peer": "a"}),
        ("refused", {"peer": "b"}),
        ("failed", {"peer": "a"}),
        ("refused", {"peer": "a", "more": 4}),
        ("refused", {"peer": "b"}),
    ]


@given(st.lists(st.tuples(st.integers(0, 3_000), st.sampled_from((0.0, 0.01, 0.5))), max_size=400))
def test_whoever_causes_them_lines_are_few_and_none_is_forgotten(events: list[tuple[int, float]]) -> None:
    now = [0.0]
    limit = LineLimit(all_each_period=5, clock=lambda: now[0])
    written: list[tuple[float, int]] = []
    left_out = 0
    for cause, seconds in events:
        now[0] += seconds
        more = limit.admit(cause)
        if more is not None:
            written.append((now[0], cause))
            left_out += more
    for cause in {cause for _, cause in written}:
        times = [time for time, each in written if each == cause]
        assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert len(written) <= 5 * (now[0] + 1)
    assert len(written) + left_out <= len(events)
    assert len(limit._causes) <= 1_000


def test_a_library_is_limited_line_by_line() -> None:
    now = [0.0]
    logger = logging.Logger("library")
    logger.addFilter(LineLimitFilter(LineLimit(clock=lambda: now[0])))
    stream = io.StringIO()
    logger.addHandler(logging.StreamHandler(stream))

    def fail(number: int) -> None:
        logger.error("call %d failed", number)

    for number in range(3):
        fail(number)
    logger.error("another thing")
    now[0] = 1.0
    fail(3)
    assert stream.getvalue().splitlines() == ["call 0 failed", "another thing", "call 3 failed (and 2 more like this)"]


def test_libraries_that_callers_make_speak_are_limited() -> None:
    for _ in range(2):
        logs.configure()
    for name in ("grpc._cython.cygrpc", "aiohttp.server", "asyncio"):
        assert len([each for each in logging.getLogger(name).filters if isinstance(each, LineLimitFilter)]) == 1
