"""A row is described once: what is written is read back, and a field without a description is refused at start-up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tortoise import Model

from engine.domain.audience import AudienceFilter
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.store import access_models, engine_models, models, orm
from engine.store.accounts import ACCOUNT
from engine.store.api_tokens import TOKEN
from engine.store.audit import EVENT
from engine.store.client_list import CLIENT
from engine.store.client_rows import ClientRow
from engine.store.engines import ENGINE
from engine.store.mailing_rows import INPUT, MAILING, PLAN
from engine.store.messages import ATTEMPT, MESSAGE
from engine.store.row_of import Part, RowOf, insert_of, sets_of
from engine.store.rows import Counts, MailingRow
from engine.store.sqlite_tx import make_client
from engine.store.store import Store

TEXTS = st.text(max_size=5)
TIMES = st.integers(0, 2**62)
MINUTES = st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda pair: pair[0] != pair[1])
MAILINGS = st.builds(
    MailingInput,
    TEXTS,
    st.builds(AudienceFilter, st.lists(TEXTS).map(tuple), st.lists(TEXTS).map(tuple)),
    TIMES,
    TIMES,
    st.none() | MINUTES.map(lambda pair: LocalHours(*pair)),
    st.none() | st.floats(0, 100_000),
    st.sampled_from(["resend", "not_sent"]),
)


JOINED = {"provider"}
"""What is read from another table under a name of its own."""


class Colour(IntEnum):
    """Of a thing."""

    RED = 1
    BLUE = 2


@dataclass(frozen=True, slots=True)
class Thing:
    """What this file reads and writes."""

    id: int
    is_new: bool
    colour: Colour
    other: Colour | None
    weight: float | None
    label: str = ""
    size: tuple[int, int] = (0, 0)


WHOLE = st.integers(-(2**63), 2**63 - 1)
THINGS = st.builds(
    Thing,
    WHOLE,
    st.booleans(),
    st.sampled_from(Colour),
    st.none() | st.sampled_from(Colour),
    st.none() | st.floats(allow_nan=False),
    TEXTS,
    st.tuples(WHOLE, WHOLE),
)
THING = RowOf(Thing, size=Part(("width", "height"), lambda width, height: (width, height), lambda size: size))


@given(THINGS)
def test_what_is_written_is_read_back(thing: Thing) -> None:
    written = THING.values(thing)
    assert list(written) == ["id", "is_new", "colour", "other", "weight", "label", "width", "height"]
    assert written["colour"] in (1, 2)
    assert THING.read([int(value) if isinstance(value, bool) else value for value in written.values()]) == thing


@given(MAILINGS)
def test_a_mailing_is_written_and_read(mailing: MailingInput) -> None:
    assert INPUT.read(INPUT.write(mailing)) == mailing


@given(THINGS)
def test_an_answer_is_the_value_again(thing: Thing) -> None:
    assert THING.answered(orjson.loads(orjson.dumps(thing))) == thing


def test_an_answer_from_before_a_field_has_its_default() -> None:
    kept = {"id": 1, "is_new": False, "colour": 2, "other": None, "weight": None}
    assert THING.answered(kept) == Thing(1, False, Colour.BLUE, None, None)


def test_a_field_that_no_column_says_has_its_default() -> None:
    thing = RowOf(Thing, lacks=["label"], size=Part(("area",), lambda area: (area, 1)))
    assert thing.columns == ("id", "is_new", "colour", "other", "weight", "area")
    assert thing.read((1, 0, 1, 2, 0.5, 6)) == Thing(1, False, Colour.RED, Colour.BLUE, 0.5, "", (6, 1))


def test_a_column_of_two_fields_is_asked_for_once() -> None:
    thing = RowOf(Thing, weight=Part(("id",)), size=Part(("id", "is_new"), lambda *size: size))
    assert thing.sql == "id, is_new, colour, other, label"
    assert thing.read((7, 1, 1, None, "x")) == Thing(7, True, Colour.RED, None, 7, "x", (7, 1))


def test_a_field_that_nobody_has_described_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Thing.size needs a Part"):
        RowOf(Thing)
    with pytest.raises(TypeError, match="Thing has no field colr, wdth"):
        RowOf(Thing, lacks=["colr"], wdth=Part(("width",)))


def test_what_is_only_read_is_not_written() -> None:
    with pytest.raises(TypeError, match=r"MailingRow.audience_state is never written"):
        _ = MAILING.write


def test_sql_of_columns() -> None:
    values: dict[str, Any] = {"a": 1, "b": 2}
    assert insert_of("thing", values) == "INSERT INTO thing (a, b) VALUES (?, ?)"
    assert sets_of(values) == "a = ?, b = ?"
    assert THING.select("t", label="upper(t.label)").startswith("t.id AS id, t.is_new AS is_new")
    assert "upper(t.label) AS label" in THING.select("t", label="upper(t.label)")
    assert RowOf(ClientInput).kinds["phone_number"] == "int"


def test_a_clients_columns_are_those_of_its_table() -> None:
    assert {*CLIENT.columns} == {*models.Client._meta.fields_db_projection.values()}
    assert CLIENT.columns == tuple(field.name for field in fields(ClientRow))


@pytest.mark.parametrize(
    ("row_of", "tables"),
    [
        (CLIENT, [models.Client]),
        (MAILING, [models.Mailing, models.MailingCounters]),
        (PLAN, [models.Mailing, models.MailingCounters]),
        (MESSAGE, [models.Message, models.Client]),
        (ATTEMPT, [models.Attempt]),
        (ACCOUNT, [access_models.Account]),
        (TOKEN, [access_models.ApiToken]),
        (EVENT, [models.AuditEvent]),
        (ENGINE, [engine_models.Engine]),
    ],
)
def test_a_description_names_columns_of_its_tables(row_of: RowOf[Any], tables: list[type[Model]]) -> None:
    orm.prepare(make_client(":memory:"))
    known = {column for table in tables for column in table._meta.fields_db_projection.values()}
    assert {*row_of.columns} - JOINED <= known


def test_delivery_and_the_api_read_the_same_columns() -> None:
    """What the API says of a mailing is read by both, whatever a later field is called."""
    assert {*INPUT.columns} <= {*MAILING.columns}
    own = {"name", "audience_filter", "audience_fixed"}  # delivery need not know them
    assert {*INPUT.columns} - own <= {*PLAN.columns}
    assert {field.name for field in fields(Counts)} <= {*MAILING.columns}
    assert {field.name for field in fields(MailingInput)} <= {field.name for field in fields(MailingRow)}


def test_no_part_of_the_store_hides_another_ones_verb() -> None:
    seen: dict[str, str] = {}
    for part in Store.__mro__:
        if part.__module__.startswith("engine.store.") and part.__name__ not in ("Store", "Verbs"):
            for name in vars(part):
                if not name.startswith("__"):
                    assert name not in seen, f"{name}: {seen.get(name)} and {part.__name__}"
                    seen[name] = part.__name__
