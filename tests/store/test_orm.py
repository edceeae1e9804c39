"""engine/store/orm.py, engine/store/table.py: how the models are prepared."""

from __future__ import annotations

import inspect

import pytest
from tortoise.models import _get_comments

from engine.store import orm
from engine.store.sqlite_tx import make_client
from engine.store.table import Table


def test_all_models_are_tables_whose_source_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    orm.prepare(make_client(":memory:"))
    ours = [model for model in orm.models() if not model.__module__.startswith("aerich.")]
    assert ours
    assert all(issubclass(model, Table) for model in ours)
    assert not any(_get_comments(model) for model in ours)  # what is not read says nothing

    def refuse(_: object) -> str:
        raise AssertionError("the source of a model is read")

    monkeypatch.setattr(inspect, "getsource", refuse)
    type("Another", (Table,), {})
