from __future__ import annotations

from engine.delivery.rate_meter import RateMeter

SECOND_US = 1_000_000


def run(meter: RateMeter, first: int, seconds: int, a_second: int, busy_workers: int) -> None:
    """Ten batches a second."""
    for step in range(seconds * 10):
        meter.add(a_second // 10, (first * 10 + step) * SECOND_US // 10, busy_workers=busy_workers)


def test_only_whole_seconds_in_which_every_worker_was_busy_tell_the_full_speed() -> None:
    meter = RateMeter()
    run(meter, 0, 2, 500, 64)
    assert meter.full_speed(64) == 0  # the first may have begun in its middle, the second is not over
    run(meter, 2, 2, 500, 64)
    assert meter.full_speed(64) == 500
    assert meter.full_speed(32) == 0  # with other workers it is another speed


def test_a_rate_does_not_make_it_forget_how_fast_it_is() -> None:
    """The issue: the speed assumed was that of the last mailing, even if that one had a limit of 20/s."""
    meter = RateMeter()
    run(meter, 0, 10, 500, 64)
    run(meter, 10, 600, 20, 0)
    assert meter.per_second(610 * SECOND_US) == 20
    assert meter.full_speed(64) == 500


def test_a_second_in_which_work_ran_out_does_not_count() -> None:
    meter = RateMeter()
    run(meter, 0, 5, 500, 64)
    meter.add(1, 5 * SECOND_US, busy_workers=64)
    meter.add(1, 5 * SECOND_US + 1, busy_workers=0)
    run(meter, 6, 1, 10, 0)
    assert meter.full_speed(64) == 500
    meter.add(0, 7 * SECOND_US, busy_workers=64)
    assert meter.full_speed(64) == 500
