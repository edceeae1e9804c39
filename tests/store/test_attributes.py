"""What a condition means in memory it means in both databases, for any attributes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.attributes import NONE, Attribute, attributes_of, attributes_text, value_text
from engine.domain.audience import AttributeCondition, AttributeOp, AudienceFilter, Candidate
from engine.store import Store
from engine.store.attributes import attribute_condition, shown_as
from engine.store.client_rows import ClientQuery
from engine.store.database import Lane, Tx
from engine.store.rows import MessageQuery, Page
from tests.store.world import BY, NOW, add_mailing, audience_size, client, mailing

NAMES = ("a", "ab", "b_1")
NEAR = [
    "",
    "Омск",
    "omsk",
    '"',
    "\\",
    '\\"',
    'x","a":"y',
    "5",
    "true",
    "{",
    "}",
    "é",
    "\x1f",
    "\U0001f600",
    "\uffff",
    "2026-01-31",
]
TEXTS = st.sampled_from(NEAR) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
NUMBERS = (
    st.sampled_from([0, 5, 5.5, -1, 1e20, 1e-7, 2**53 - 1, -0.0])
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e300, 1e300, allow_subnormal=False)
)
VALUES = TEXTS | NUMBERS | st.booleans()
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)


@st.composite
def _conditions(draw: st.DrawFn) -> AttributeCondition:
    name, op = draw(st.sampled_from(NAMES)), draw(st.sampled_from(AttributeOp))
    if op in (AttributeOp.IS_SET, AttributeOp.IS_NOT_SET):
        return AttributeCondition(name, op)
    if op in (AttributeOp.AT_LEAST, AttributeOp.AT_MOST):
        return AttributeCondition(name, op, (value_text(draw(TEXTS | NUMBERS)),))
    few = draw(st.lists(VALUES, min_size=1, max_size=4))
    many = [n / 7 for n in range(20)] if draw(st.booleans()) else []
    return AttributeCondition(name, op, tuple(map(value_text, [*few, *many])))


@pytest.fixture
def run(url: str, kind: str) -> Iterator[Callable[[Callable[[Tx], Awaitable[Any]]], Any]]:
    """Runs a read on an empty database, outside of any loop: Hypothesis calls no coroutines."""
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(url, inline=kind == "sqlite-inline"))
        try:
            yield lambda work: runner.run(store._db.read(work, Lane.API))  # type: ignore[arg-type]  # an awaitable will do
        finally:
            runner.run(store.close())


async def _verdicts(tx: Tx, texts: list[str], sql: str, args: list[Any]) -> list[bool]:
    table = tx.dialect.rows_table(id="int", attributes="text")
    rows = [(place, text) for place, text in enumerate(texts)]
    found = await tx.rows(f"SELECT id FROM {table} WHERE {sql}", *tx.dialect.rows_args(rows, 2), *args)
    inside = {row[0] for row in found}
    return [place in inside for place in range(len(texts))]


def test_a_condition_means_the_same_in_memory_and_in_the_database(run: Callable[..., Any], kind: str) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ATTRIBUTES, min_size=1, max_size=12), _conditions())
    def holds(clients: list[dict[str, Any]], condition: AttributeCondition) -> None:
        texts = list(map(attributes_text, clients))

        async def work(tx: Tx) -> list[bool]:
            found = attribute_condition(tx.dialect, condition, "r.attributes")
            return await _verdicts(tx, texts, found.sql, list(found.args))

        assert run(work) == [condition.holds(attributes_of(text)) for text in texts]

    holds()


def test_a_list_shows_those_whose_value_looks_so(run: Callable[..., Any]) -> None:
    values: list[Attribute] = ["5", 5, 5.5, "5.5", True, "true", "", "Омск", -1]
    texts = [attributes_text({"a": value}) for value in values] + ["{}", '{"ab":5}']
    expected = {
        "5": [0, 1],
        "5.5": [2, 3],
        "true": [4, 5],
        "": [6, 9, 10],
        " \u200b": [6, 9, 10],
        "Омск": [7],
        "-1": [8],
        "05": [],
    }
    for text, places in expected.items():

        async def work(tx: Tx, text: str = text) -> list[bool]:
            found = shown_as(tx.dialect, "a", text, "r.attributes")
            return await _verdicts(tx, texts, found.sql, list(found.args))

        assert run(work) == [place in places for place in range(len(texts))], text


def _attributes(city: str, visits: int) -> str:
    return f'{{"city":{value_text(city)},"visits":{visits}}}' if city else NONE


FILTERS = [
    AudienceFilter(exclude_tags=("b",)),
    AudienceFilter(tags=("a", "b"), exclude_tags=("b",)),
    AudienceFilter(client_ids=tuple(range(1, 500, 2))),
    AudienceFilter(client_ids=tuple(range(1, 500, 3)), exclude_tags=("b",)),
    AudienceFilter(attributes=(AttributeCondition("city", AttributeOp.ANY_OF, ('"Омск"',)),)),
    AudienceFilter(attributes=(AttributeCondition("city", AttributeOp.NONE_OF, ('"Омск"',)),)),
    AudienceFilter(
        tags=("a",),
        attributes=(
            AttributeCondition("visits", AttributeOp.AT_LEAST, ("2",)),
            AttributeCondition("city", AttributeOp.IS_SET),
        ),
    ),
    AudienceFilter(phone_codes=("916",), attributes=(AttributeCondition("visits", AttributeOp.AT_MOST, ("2",)),)),
]


@pytest.mark.parametrize("filter", FILTERS)
async def test_whoever_matches_gets_it_however_the_client_came(store: Store, filter: AudienceFilter) -> None:
    people = [
        replace(
            client(place * 3 + visits, tag),
            attributes=_attributes(city, visits),
        )
        for place, (tag, city) in enumerate([("a", "Омск"), ("b", "Омск"), ("a", "Тверь"), ("", "")])
        for visits in range(3)
    ]
    await store.import_clients(people[:6], by=BY, now_us=NOW)
    built = await add_mailing(store, mailing(filter))
    await store.import_clients(people[6:], by=BY, now_us=NOW)
    rows = (await store.list_clients(ClientQuery(), Page(100))).items
    wanted = {each.id for each in filter.among(Candidate.of(row.id, row) for row in rows)}
    assert wanted
    later = await add_mailing(store, mailing(filter))
    for mailing_id in (built, later):
        assert await _receivers(store, mailing_id) == wanted
    assert await audience_size(store, filter) == len(wanted)
    assert sum((await store.audience_by_zone(filter)).by_zone.values()) == len(wanted)


async def _receivers(store: Store, mailing_id: int) -> set[int]:
    found = await store.list_messages(MessageQuery(mailing_id=mailing_id), Page(100))
    return {row.client_id for row in found.items if row.client_id is not None}


async def test_an_attribute_that_changes_takes_a_message_away_and_brings_it_back(store: Store) -> None:
    omsk = replace(client(1), attributes='{"city":"Омск"}')
    row = (await store.create_client(omsk, by=BY, now_us=NOW)).row
    filter = AudienceFilter(attributes=(AttributeCondition("city", AttributeOp.ANY_OF, ('"Омск"',)),))
    mailing_id = await add_mailing(store, mailing(filter))
    assert await _receivers(store, mailing_id) == {row.id}
    for text, receivers in (('{"city":"Тверь"}', set()), ("{}", set()), ('{"city":"Омск"}', {row.id})):
        await store.update_client(row.id, lambda _, text=text: replace(omsk, attributes=text), by=BY, now_us=NOW)  # type: ignore[misc]
        assert await _receivers(store, mailing_id) == receivers


async def test_a_filter_that_is_narrowed_by_ids_takes_away_the_messages_of_all_others(store: Store) -> None:
    made = await store.import_clients([client(n) for n in range(5)], by=BY, now_us=NOW)
    mailing_id = await add_mailing(store)
    kept = made.changed_ids[3]
    narrowed = mailing(AudienceFilter(client_ids=(kept,)))
    await store.update_mailing(mailing_id, lambda _: narrowed, by=BY, now_us=NOW)
    while not await store.build_audience(mailing_id, 2, NOW, -1):
        pass
    assert await _receivers(store, mailing_id) == {kept}


async def test_which_attributes_and_values_there_are(store: Store) -> None:
    assert (await store.attribute_facets()).counts == {}
    texts = ['{"city":"Омск","n":5}', '{"city":"Омск","n":"5"}', '{"city":"Тверь"}', "{}"]
    await store.import_clients([replace(client(n), attributes=text) for n, text in enumerate(texts)], by=BY, now_us=NOW)
    names = await store.attribute_facets()
    assert (list(names.counts.items()), names.looked_at, names.clients) == ([("city", 3), ("n", 2)], 4, 4)
    assert (await store.attribute_facets("city")).counts == {'"Омск"': 2, '"Тверь"': 1}
    assert (await store.attribute_facets("n")).counts == {'"5"': 1, "5": 1}
    assert (await store.attribute_facets("nobody")).counts == {}


async def test_of_many_clients_a_part_is_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.attribute_facets._BLOCK_ROWS", 2)
    monkeypatch.setattr("engine.store.attribute_facets._BLOCKS_MAX", 5)
    rows = [replace(client(n), attributes='{"half":1}' if n % 2 else "{}") for n in range(200)]
    await store.import_clients(rows, by=BY, now_us=NOW)
    found = await store.attribute_facets()
    assert (found.counts, found.looked_at, found.clients) == ({"half": 100}, 10, 200)


async def test_what_a_single_client_has_is_known_and_what_nobody_has_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.matching._SAMPLE", 2)
    people = [replace(client(n), attributes=attributes_text({"city": "Омск"})) for n in range(4)]
    people[3] = replace(client(3), attributes=attributes_text({"town": "Омск"}))
    await store.import_clients(people, by=BY, now_us=NOW)
    assert await store.unknown_attributes(["city", "town", "omsk"]) == {"omsk"}
