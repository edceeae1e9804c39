"""Invariant: nobody has less than wanted while somebody has over one more (max-min fair, in whole places)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.domain.fairness import RoundRobin, fair_shares

wants_of_some = st.dictionaries(st.integers(1, 50), st.integers(0, 30), max_size=12)


@given(wants_of_some, st.integers(-3, 200))
def test_max_min_fair(wants: dict[int, int], room: int) -> None:
    shares = fair_shares(wants, room)
    assert list(shares) == list(wants)
    assert sum(shares.values()) == min(max(0, room), sum(wants.values()))
    assert all(0 <= shares[key] <= want for key, want in wants.items())
    unsatisfied = [key for key, want in wants.items() if shares[key] < want]
    for key in unsatisfied:
        assert max(shares.values()) <= shares[key] + 1
    assert [shares[key] for key in unsatisfied] == sorted((shares[key] for key in unsatisfied), reverse=True)


@given(wants_of_some, st.integers(0, 60))
def test_the_same_as_dealing_places_out_one_by_one(wants: dict[int, int], room: int) -> None:
    dealt = dict.fromkeys(wants, 0)
    while room and (hungry := [key for key, want in wants.items() if dealt[key] < want]):
        for key in hungry[:room]:
            dealt[key] += 1
        room -= min(room, len(hungry))
    assert fair_shares(wants, sum(dealt.values())) == dealt


@pytest.mark.parametrize(
    ("wants", "room", "shares"),
    [
        ({}, 10, {}),
        ({1: 5}, 10, {1: 5}),
        ({1: 5}, 0, {1: 0}),
        ({1: 5}, -1, {1: 0}),
        ({1: 1_000_000, 2: 3}, 100, {1: 97, 2: 3}),
        ({1: 10, 2: 10, 3: 10}, 11, {1: 4, 2: 4, 3: 3}),
        ({3: 10, 2: 10, 1: 10}, 1, {3: 1, 2: 0, 1: 0}),
        ({1: 0, 2: 10}, 4, {1: 0, 2: 4}),
        ({1: 1_000_000, 2: 1_000_000, 3: 20}, 1000, {1: 490, 2: 490, 3: 20}),
    ],
)
def test_known_shares(wants: dict[int, int], room: int, shares: dict[int, int]) -> None:
    assert fair_shares(wants, room) == shares


def test_whoever_was_served_longest_ago_comes_first() -> None:
    turn = RoundRobin()
    for id in (1, 2, 3):
        turn.add(id)
    assert list(turn) == [1, 2, 3]
    turn.served(1)
    assert list(turn) == [2, 3, 1]
    assert turn.first() == 2
    turn.served(3)
    assert list(turn) == [2, 1, 3]
    turn.add(2)
    assert list(turn) == [2, 1, 3]
    turn.remove(2)
    turn.remove(2)
    turn.served(2)
    assert list(turn) == [1, 3]
    assert len(turn) == 2


def test_the_turn_must_not_change_while_it_is_gone_through() -> None:
    turn = RoundRobin()
    turn.add(1)
    turn.add(2)
    going = iter(turn)
    turn.served(next(going))
    with pytest.raises(RuntimeError, match="mutated"):
        next(going)
    assert list(turn) == [2, 1]


class Turn(RuleBasedStateMachine):
    """Against a list that is searched, plus: nobody waits for more than one turn of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = RoundRobin()
        self.model: list[int] = []
        self.passed_over: dict[int, list[int]] = {}

    @rule(id=st.integers(1, 6))
    def add(self, id: int) -> None:
        self.turn.add(id)
        if id not in self.model:
            self.model.append(id)
            self.passed_over[id] = []

    @rule(id=st.integers(1, 6))
    def remove(self, id: int) -> None:
        self.turn.remove(id)
        if id in self.model:
            self.model.remove(id)
            del self.passed_over[id]

    @rule()
    def serve_the_first(self) -> None:
        first = next(iter(self.turn), None)
        if first is None:
            return
        self.turn.served(first)
        self.model = [*self.model[1:], first]
        for id, others in self.passed_over.items():
            others.append(first)
            assert id == first or others.count(first) <= 1
        self.passed_over[first] = []

    @invariant()
    def same_order(self) -> None:
        assert list(self.turn) == self.model
        assert len(self.turn) == len(self.model)


TestTurn = Turn.TestCase
TestTurn.settings = settings(stateful_step_count=25)
