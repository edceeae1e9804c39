"""Money, and what a message is charged with."""

from __future__ import annotations

from random import Random

import pytest

from engine.domain.cost import Charge, affordable, fitting, is_exact, micros, money, reserve, settled, written
from engine.domain.message import TABLE, UNCERTAIN, Event, Reason, Status, Step, step


@pytest.mark.parametrize(
    ("said", "counted"), [(0, 0), (1.5, 1_500_000), (0.000001, 1), (0.1 + 0.2, 300_000), (1e9, 10**15)]
)
def test_money_is_counted_in_millionths(said: float, counted: int) -> None:
    assert micros(said) == counted
    assert money(counted) == round(said, 6)


@pytest.mark.parametrize(
    ("said", "exact"), [(2.5, True), (0.000001, True), (1e9, True), (0.0000001, False), (0.1 + 0.2, False)]
)
def test_money_has_six_decimals_at_most(said: float, exact: bool) -> None:
    assert is_exact(said) is exact


@pytest.mark.parametrize(
    ("counted", "words"),
    [(0, "0"), (1, "0.000001"), (600_000, "0.6"), (10_000_000, "10"), (1_234_567_890_001, "1234567.890001")],
)
def test_money_is_written_whole(counted: int, words: str) -> None:
    assert written(counted) == words


@pytest.mark.parametrize(("left", "dearest", "number"), [(10, 3, 3), (9, 3, 3), (2, 3, 0), (0, 3, 0), (-5, 3, 0)])
def test_as_many_messages_as_the_rest_is_enough_for(left: int, dearest: int, number: int) -> None:
    assert affordable(left, dearest) == number


def test_a_charge_covers_what_it_has_reserved() -> None:
    assert reserve(0, 5) == Charge(0, 5)
    assert reserve(7, 5) == Charge(7, 7)
    assert [Charge(0, 5).covers(price) for price in (4, 5, 6)] == [True, True, False]


@pytest.mark.parametrize(
    ("event", "result", "cost"),
    [
        (Event.ACCEPT, Step(Status.SENT), 6),
        (Event.CONFIRM, Step(Status.SENT), 6),
        (Event.MISS, Step(Status.PENDING, unsure=True), 6),
        (Event.MISS, UNCERTAIN, 6),
        (Event.DEFER, Step(Status.SENT), 6),  # a receipt has said that it was taken
        (Event.DEFER, Step(Status.PENDING), 4),
        (Event.DEFER, UNCERTAIN, 4),
        (Event.REJECT, Step(Status.NOT_SENT, Reason.REJECTED), 4),
        (Event.LACK, Step(Status.NOT_SENT, Reason.INCOMPLETE), 4),
        (Event.DEFER, None, 0),
    ],
)
def test_an_outcome_makes_a_price_of_a_charge(event: Event, result: Step | None, cost: int) -> None:
    assert settled(Charge(before=4, reserved=9), event, result, 6) == cost


def test_an_earlier_call_that_was_dearer_stays_paid() -> None:
    assert settled(Charge(before=8, reserved=9), Event.ACCEPT, Step(Status.SENT), 6) == 8


@pytest.mark.parametrize("seed", range(200))
def test_a_message_is_never_charged_less_than_it_is_billed(seed: int) -> None:
    random = Random(seed)
    cost = billed = 0
    status, unsure, result = Status.PENDING, False, Step(Status.PENDING)
    while not status.is_final:
        charge = reserve(cost, random.randint(1, 5))
        price = random.randint(1, charge.reserved)
        event = random.choice([each for state, each in TABLE if state is Status.CLAIMED and each is not Event.BEGIN])
        if event is Event.ACCEPT or (event in (Event.MISS, Event.LOSE, Event.CONFIRM) and random.random() < 0.5):
            billed = billed or price
        result = step(Status.CLAIMED, event, unsure=unsure)
        # A message whose engine has died keeps what was reserved.
        cost = charge.reserved if event is Event.LOSE else settled(charge, event, result, price)
        status, unsure = result.status, result.unsure
        assert cost >= billed
        assert cost <= charge.reserved
    assert cost == 0 or result.status is Status.SENT or result == UNCERTAIN


@pytest.mark.parametrize(
    ("left", "candidates", "chosen"),
    [
        (30, [(1, 0, 10), (2, 0, 30), (3, 0, 20)], {1: 10, 3: 20}),
        (0, [(1, 0, 10), (2, 10, 10), (3, 12, 10)], {2: 10, 3: 10}),
        (-5, [(1, 10, 15), (2, 10, 10)], {2: 10}),
        (5, [(1, 10, 15), (2, 0, 1)], {1: 15}),
        (10, [], {}),
    ],
)
def test_what_is_left_goes_to_those_whom_it_is_enough_for(
    left: int, candidates: list[tuple[int, int, int]], chosen: dict[int, int]
) -> None:
    assert fitting(left, candidates) == chosen
