"""What a preview says of the texts that people would get."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from common.contract.values import value_proto
from engine.api import letters
from engine.store.database import Tx
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import CreateClientRequest
from mailing.v1.mailing_pb2 import LocalHours, Mailing
from mailing.v1.mailing_service_pb2 import PreviewMailingRequest, PreviewMailingResponse
from tests.api.conftest import Api


async def preview(api: Api, text: str, mailing_id: int | None = None, **changes: object) -> PreviewMailingResponse:
    mailing: Mailing = api.a_mailing(text=text, **changes)
    answer: PreviewMailingResponse = await api.mailings.PreviewMailing(
        PreviewMailingRequest(mailing=mailing, mailing_id=mailing_id)
    )
    return answer


async def people(api: Api, *attributes: str, tag: str = "") -> list[int]:
    """Clients with these attributes; return their ids."""
    ids = [
        (await api.add_client(phone_number=f"7916000{place:04}", tag=tag)).id for place in range(1, len(attributes) + 1)
    ]

    async def change(tx: Tx) -> None:
        for id, text in zip(ids, attributes, strict=True):
            await tx.run("UPDATE client SET attributes = ? WHERE id = ?", text, id)

    await api.store._db.transaction(change)
    return ids


def samples(answer: PreviewMailingResponse) -> list[tuple[int, str, int]]:
    return [(each.client_id, each.text, each.segments) for each in answer.samples]


def numbers(answer: PreviewMailingResponse) -> tuple[int, int, int, int]:
    return answer.audience, answer.incomplete, answer.segments_max, answer.segments_total


async def test_a_text_for_everyone(api: Api) -> None:
    ids = await people(api, *["{}"] * 5)
    answer = await preview(api, r"\{{" + "ж" * 71)
    assert numbers(answer) == (5, 0, 2, 10)
    assert samples(answer) == [(id, "{{" + "ж" * 71, 2) for id in ids[:3]]
    assert not answer.warnings
    nobody = await preview(api, "x", filter={"tags": ["nobody"]})
    assert (numbers(nobody), samples(nobody)) == ((0, 0, 1, 0), [])


async def test_texts_with_values(api: Api) -> None:
    long = "ж" * 200
    attributes = ['{"name":"Anna"}', "{}", '{"name":""}', f'{{"name":"{long}"}}', '{"name":"Bob"}', '{"name":"Cid"}']
    ids = await people(api, *attributes)
    answer = await preview(api, "Hi {{name}}")
    assert numbers(answer) == (6, 2, 4, 3 + 4)
    assert answer.segments == 1
    assert (answer.recipients, answer.recipients_estimated) == (4, False)
    assert samples(answer) == [(ids[0], "Hi Anna", 1), (ids[3], f"Hi {long}", 4), (ids[4], "Hi Bob", 1)]
    assert numbers(await preview(api, "Hi {{name|you}}")) == (6, 0, 4, 5 + 4)
    assert numbers(await preview(api, "{{name|}}" * 4)) == (6, 3, 1, 3)  # two empty ones, and one of 12 segments


async def test_a_value_that_shows_nothing_is_none_by_either_count(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those looked at, and those counted in SQL."""
    for place, name in enumerate(["Anna", "   ", "\u200b", "\xa0\u3164", ""] * 4):
        said = Client(
            phone_number=f"7916000{place:04}", tag=name, attributes=Struct(fields={"name": value_proto(name)})
        )
        await api.clients.CreateClient(CreateClientRequest(client=said))
    for looked_at in (10_000, 5):
        monkeypatch.setattr(letters, "LOOKED_AT", looked_at)
        for placeholder in ("name", "tag"):
            answer = await preview(api, f"Hi {{{{{placeholder}}}}}")
            assert numbers(answer) == (20, 16, 1, 4)
            assert {each.text for each in answer.samples} == {"Hi Anna"}
            assert numbers(await preview(api, f"{{{{{placeholder}|you}}}}")) == (20, 0, 1, 20)


async def test_a_name_that_nobody_has_is_told(api: Api) -> None:
    await people(api, '{"name":"Anna"}', '{"nane":""}')
    answer = await preview(api, "{{name|x}} {{nane|y}} {{tag|z}} {{phone_number}}")
    assert [(each.code, each.field, dict(each.arguments)) for each in answer.warnings] == [
        ("PLACEHOLDER_OF_NOBODY", "text", {"name": "nane"}),
        ("PLACEHOLDER_OF_NOBODY", "text", {"name": "tag"}),
    ]
    assert answer.warnings[0].message == "nobody who matches has nane"
    assert numbers(answer) == (2, 0, 1, 2)
    assert not (await preview(api, "{{nane|y}}", filter={"tags": ["nobody"]})).warnings


async def test_of_a_larger_audience_some_are_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LOOKED_AT", 20)
    names = [f'{{"name":"{"x" * (200 if place % 2 else 100)}"}}' for place in range(200)]
    await people(api, *["{}" if place % 10 == 0 else name for place, name in enumerate(names)])
    answer = await preview(api, "{{name}}")
    assert answer.incomplete == 20  # who lacks something is counted
    assert (answer.recipients, answer.recipients_estimated) == (180, False)
    assert answer.segments_max == 2
    assert 180 <= answer.segments_total <= 360
    monkeypatch.setattr(letters, "LOOKED_AT", 1000)
    assert numbers(await preview(api, "{{name}}")) == (200, 20, 2, 80 + 2 * 100)


async def test_the_few_of_a_larger_audience_who_get_a_text_are_all_looked_at(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in so many of everybody would have none of them: no text to be seen, no segment, and no cost."""
    monkeypatch.setattr(letters, "LOOKED_AT", 20)
    few = {3: "Anna", 5: "x" * 160, 7: "ж" * 700}  # the last one is too long
    ids = await people(api, *[f'{{"name":"{few[place]}"}}' if place in few else "{}" for place in range(60)])
    answer = await preview(api, "{{name}}")
    assert numbers(answer) == (60, 58, 1, 2)
    assert (answer.recipients, answer.recipients_estimated) == (2, False)
    assert samples(answer) == [(ids[3], "Anna", 1), (ids[5], "x" * 160, 1)]


async def test_texts_that_do_not_fit_are_estimated(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LOOKED_AT", 20)
    await people(api, *[f'{{"name":"{"ж" * (700 if place % 4 == 0 else 10)}"}}' for place in range(99)])
    answer = await preview(api, "{{name}}")
    assert 10 <= answer.incomplete <= 40
    assert (answer.recipients, answer.recipients_estimated) == (99 - answer.incomplete, True)
    assert answer.segments_total == 99 - answer.incomplete


async def test_who_gets_no_text_is_no_work_for_the_forecast(api: Api) -> None:
    """Of 40 clients 10 have a name: at 10 texts a second they are through in one second, and nobody misses the end."""
    await people(api, *['{"name":"Anna"}', "{}", "{}", "{}"] * 10)
    end_us = api.clock.us + 3_000_000
    soon: dict[str, Any] = {"rate_limit": 10.0, "end_time": Timestamp(seconds=end_us // 1_000_000)}
    told = await preview(api, "Hi {{name}}", **soon)
    assert (told.audience, told.incomplete, told.forecast.missed) == (40, 30, 0)
    assert told.forecast.completion_time.ToMicroseconds() <= api.clock.us + 1_100_000
    everybody = await preview(api, "Hi {{name|you}}", **soon)
    assert (everybody.incomplete, everybody.forecast.missed) == (0, 10)
    nobody = await preview(api, "Hi {{town}}", **soon)
    assert (nobody.audience, nobody.incomplete, nobody.forecast.missed) == (40, 40, 0)
    hours = LocalHours(**{"from": "00:00", "to": "23:59"})
    assert (await preview(api, "Hi {{name}}", local_hours=hours, **soon)).forecast.missed == 0
