"""A short campaign of lives of several engines; the long one: ``scripts/simulate --engines 3 --lives 5000``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from engine.delivery import audience_builder
from engine.store import Store
from tests.simulation.campaign import live_many, silence
from tests.simulation.knobs import TROUBLES, Knobs
from tests.simulation.many import ManyLife
from tests.simulation.postgres.setup import migrated
from tests.simulation.postgres.tables import Template
from tests.simulation.waits import DECLARED, is_declared

ENGINES = 3


@pytest.fixture(scope="module")
def template() -> Template:
    return Template(asyncio.run(migrated()))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with silence():
        yield


@pytest.mark.parametrize("trouble", [(), *((kind,) for kind in TROUBLES)], ids=lambda kinds: " ".join(kinds) or "none")
def test_a_life_of_several_engines_keeps_the_invariant(trouble: tuple[str, ...], template: Template) -> None:
    assert live_many(4, ENGINES, template, trouble) == []


def test_a_life_is_a_function_of_its_seed(template: Template) -> None:
    traces = []
    for _ in range(2):
        life = ManyLife(2, ENGINES, template)
        life.run()
        traces.append(life.trace())
    assert len(set(traces)) == 1


def test_all_constants_that_cut_work_into_pieces_are_there_and_come_back() -> None:
    before = audience_builder._CHUNK_CLIENTS
    knobs = Knobs.draw(Random(1), ENGINES, None)
    with knobs.cuts():
        assert before > audience_builder._CHUNK_CLIENTS in (3, 8, 40)
    assert before == audience_builder._CHUNK_CLIENTS


EVERYBODY = {name for pairs in DECLARED.values() for who, whom in pairs for name in who | whom}


def test_each_who_is_declared_is_a_verb_of_the_store() -> None:
    assert {name for name in EVERYBODY if not (hasattr(Store, name) or hasattr(Store, f"_{name}"))} == set()


def test_what_must_never_wait_is_not_declared() -> None:
    for whom in EVERYBODY:
        for claimer in ("claim", "end_pending", "recover", "renew"):
            assert not is_declared("message", claimer, whom)
        for recorder in ("record", "release"):
            assert not is_declared("mailing", recorder, whom)
