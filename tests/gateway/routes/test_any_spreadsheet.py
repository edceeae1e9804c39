"""Any spreadsheet over HTTP: workbooks, columns by their names, and rejected rows that come back to be corrected."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.tables.workbook import WORKBOOK_TYPE
from tests.gateway.rig import Answer, Gateway, serving
from tests.gateway.tables.workbooks import workbook

CSV = "text/csv"
ROWS: list[list[Any]] = [
    ["Мобильный", "Телефон", "Группа", "Комментарий"],
    [79161234567, "8 495 000-00-00", "vip", "=1+1"],
    ["7.91612E+10", None, "new", "снова"],
    ["8 (916) 123-45-68", None, None, None],
]


async def send(gateway: Gateway, data: bytes, kind: str = CSV, *maps: str, **headers: str) -> Answer:
    params = [("map", each) for each in maps]
    headers = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.post("/clients/import", data=data, params=params, headers=headers)


async def numbers(gateway: Gateway) -> list[tuple[str, str]]:
    return [(each["phone_number"], each["tag"]) for each in (await gateway.get("/clients")).json["clients"]]


async def test_a_workbook_is_imported_with_its_columns_said(gateway: Gateway) -> None:
    answer = await send(gateway, workbook(("Лист", ROWS)), WORKBOOK_TYPE, "Мобильный=phone_number")
    assert {name: answer.json[name] for name in ("created", "rejected")} == {"created": 2, "rejected": 1}
    assert [(each["line"], each["code"]) for each in answer.json["errors"]] == [(3, "PHONE_SHORTENED")]
    assert await numbers(gateway) == [("79161234567", "vip"), ("79161234568", "")]


async def test_without_a_word_a_column_that_is_not_known_is_refused(gateway: Gateway) -> None:
    for kind, data in (
        (WORKBOOK_TYPE, workbook(("Лист", ROWS))),
        (CSV, "Телефон;Комментарий\n79161234567;\n".encode()),
    ):
        answer = await send(gateway, data, kind)
        assert (answer.status, answer.json["code"]) == (400, "COLUMN_UNKNOWN")
        assert "--map" in answer.json["detail"]
    assert (await send(gateway, "Телефон;Тег\n79161234567;vip\n".encode())).json["created"] == 1


async def test_the_answer_tells_of_the_sheets_that_were_not_read(gateway: Gateway) -> None:
    file = workbook(("Обложка", []), ("Лист", ROWS), ("Ещё", ROWS))
    said, one = "Мобильный=phone_number", workbook(("Лист", ROWS))
    for data, sheets in (
        (file, {"sheet": "Лист", "other_sheets": ["Ещё"]}),
        (one, {"sheet": "Лист", "other_sheets": []}),
    ):
        assert (await send(gateway, data, WORKBOOK_TYPE, said)).json.items() >= sheets.items()
    assert "sheet" not in (await send(gateway, b"phone_number\n")).json


@pytest.mark.parametrize("said", ["Телефон", "Телефон=phone", "=tag"])
async def test_what_is_said_wrongly_is_422(gateway: Gateway, said: str) -> None:
    answer = await send(gateway, b"phone_number\n", CSV, said)
    assert (answer.status, answer.bad) == (422, ["/map"])
    assert (await gateway.post("/clients/import?maps=x", data=b"", headers={"Content-Type": CSV})).bad == ["/maps"]


async def test_a_workbook_has_a_limit_of_its_own_and_may_be_compressed(tmp_path: Path) -> None:
    data = workbook(("Лист", [["phone_number"], ["79161234567"]]))
    async with serving(tmp_path, gateway={"http_workbook_bytes": 4096}) as gateway:
        answer = await send(gateway, gzip.compress(data), WORKBOOK_TYPE, Content_Encoding="gzip")
        assert answer.json["created"] == 1
        assert (await send(gateway, data + b"\0" * 4096, WORKBOOK_TYPE)).status == 413
        assert (await send(gateway, data[:-40], WORKBOOK_TYPE)).json["code"] == "WORKBOOK_UNREADABLE"
        assert (await send(gateway, data)).json["code"] == "FILE_ZIP"
        again = [await send(gateway, data, WORKBOOK_TYPE, Idempotency_Key="k") for _ in range(2)]
        assert again[0].json == again[1].json


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_rejected_rows_come_back_whole_and_can_be_corrected(gateway: Gateway, kind: str) -> None:
    wide = [*ROWS, ["79161234569", "", "", "", "лишнее"]]
    text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in wide).encode()
    file, type = (text, CSV) if kind == "csv" else (workbook(("Лист", wide)), WORKBOOK_TYPE)
    answer = await send(gateway, file, type, "Мобильный=phone_number", Accept=CSV)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [answer.headers[f"import-{name}"] for name in ("created", "rejected")] == ["2", "2"]
    delimiter = "," if kind == "csv" else ";"
    rows = list(csv.reader(io.StringIO(answer.raw.decode("utf-8-sig")), delimiter=delimiter))
    assert rows[0] == ["import_error", *ROWS[0]]
    assert [row[1:] for row in rows[1:]] == [["7.91612E+10", "", "new", "снова"], [*map(str, wide[4])]]
    assert rows[1][0].startswith("phone_number: ")
    # Sent again as it is, it comes back as it was; corrected, all of it is stored.
    again = await send(gateway, answer.raw, CSV, "Мобильный=phone_number", Accept=CSV)
    assert sorted(len(line) for line in again.raw.splitlines()) == sorted(len(line) for line in answer.raw.splitlines())
    good = answer.raw.decode().replace("7.91612E+10", "79161234560").replace("лишнее", "").encode()
    done = await send(gateway, good, CSV, "Мобильный=phone_number", Accept=CSV)
    assert (done.headers["import-created"], done.headers["import-rejected"], done.raw) == ("2", "0", b"")


OPEN: dict[str, Any] = {"text": "Hello", "start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}


async def test_open_mailings_that_would_text_are_told_and_can_be_skipped(gateway: Gateway) -> None:
    await gateway.post("/engine/pause")
    for tags in ([], ["vip"], ["nobody"]):
        await gateway.post("/mailings", OPEN | {"filter": {"tags": tags}})
    await gateway.post("/clients", {"phone_number": "79160000009", "tag": "vip"})
    table = b"phone_number,tag\n79160000001,vip\n79160000002,\n79160000009,new\n12,\n79160000001,vip\n"

    async def ask(query: str) -> Any:
        return (await gateway.post(f"/clients/import?{query}", data=table, headers={"Content-Type": CSV})).json

    told = await ask("validate_only=true")
    counts = {"created": 2, "updated": 1, "unchanged": 1, "rejected": 1}
    assert {name: told[name] for name in counts} == counts
    assert told["open_mailings"] == [{"mailing_id": 1, "client_count": 2}, {"mailing_id": 2, "client_count": 1}]
    assert told["client_count"] == 3  # the last row has the number of the first one
    assert (await gateway.get("/clients")).json["total_size"] == 1
    done = await ask("skip_open_mailings=true")
    assert {name: done[name] for name in counts} == counts
    assert "open_mailings" not in done
    found = (await gateway.get("/messages")).json["messages"]
    assert {each["phone_number"] for each in found} == {"79160000009"}  # who has a message keeps it
    assert (await ask("validate_only=true"))["open_mailings"] == []
    assert (await gateway.post("/clients/import?validate_only=1", data=b"")).status in (415, 422)


async def test_rejected_json_comes_back_as_json(gateway: Gateway) -> None:
    file = b'{"phone_number": "12", "tag": "a"}\nnonsense\n{"phone_number": "79161234567"}\n'
    answer = await send(gateway, file, "application/x-ndjson", Accept=CSV)
    assert answer.headers["content-type"] == "application/x-ndjson"
    first, second = map(orjson.loads, answer.raw.splitlines())
    assert (first["phone_number"], first["tag"], second["line"]) == ("12", "a", "nonsense")
    fixed = orjson.dumps({**first, "phone_number": "79161234568"})
    assert (await send(gateway, fixed, "application/x-ndjson")).json["created"] == 1


async def test_all_rejected_rows_come_back_not_the_first_thousand(gateway: Gateway) -> None:
    file = b"phone_number\n" + b"12\n" * 3000 + b"79161234567\n"
    answer = await send(gateway, file, Accept=CSV)
    assert (answer.headers["import-created"], answer.headers["import-rejected"]) == ("1", "3000")
    assert len(answer.raw.splitlines()) == 3001
    assert (await send(gateway, file, Accept="image/png")).status == 406


async def test_a_missing_time_zone_is_told_by_the_number_where_that_is_asked_for(gateway: Gateway) -> None:
    table = b"phone_number,time_zone\n73812000001,\n79160000002,\n77010000003,\n74950000004,UTC\n12,\n"

    async def ask(query: str, data: bytes = table) -> Any:
        return (await gateway.post(f"/clients/import?{query}", data=data, headers={"Content-Type": CSV})).json

    async def zones() -> dict[str, str]:
        found = (await gateway.get("/clients")).json["clients"]
        return {each["phone_number"]: each["time_zone"] for each in found}

    told = await ask("validate_only=true")
    assert (told["without_time_zone"], told["zone_told_by_number"]) == (3, 2)
    assert "without_time_zone" not in await ask("")
    assert set((await zones()).values()) == {"UTC"}
    # A column that is not there leaves those as they are who are there.
    bare = b"phone_number\n73812000001\n73430000005\n"
    told = await ask("validate_only=true&time_zone_by_number=true", bare)
    assert (told["without_time_zone"], told["zone_told_by_number"]) == (1, 1)
    assert (await ask("time_zone_by_number=true", bare))["unchanged"] == 1
    assert (await ask("time_zone_by_number=true"))["updated"] == 2
    assert await zones() == {
        "73812000001": "Asia/Omsk",
        "79160000002": "UTC",
        "77010000003": "Asia/Almaty",
        "74950000004": "UTC",
        "73430000005": "Asia/Yekaterinburg",
    }


async def test_one_time_zone_for_all_rows_that_name_none(gateway: Gateway) -> None:
    async def ask(query: str, data: bytes, **headers: str) -> Answer:
        return await gateway.post(f"/clients/import?{query}", data=data, headers={"Content-Type": CSV, **headers})

    async def zones() -> dict[str, str]:
        found = (await gateway.get("/clients")).json["clients"]
        return {each["phone_number"][-1]: each["time_zone"] for each in found}

    bad = await ask("time_zone=Mars", b"phone_number\n79160000001\n")
    assert (bad.status, bad.bad, bad.json["errors"][0]["code"]) == (422, ["/time_zone"], "NOT_TIME_ZONE")
    await ask("", b"phone_number\n79160000001\n")
    told = (await ask("time_zone=%D0%9E%D0%BC%D1%81%D0%BA&validate_only=true", b"phone_number\n79160000001\n")).json
    assert (told["updated"], await zones()) == (1, {"1": "UTC"})
    await ask("time_zone=%D0%9E%D0%BC%D1%81%D0%BA", b"phone_number\n79160000001\n79160000002\n")
    assert await zones() == {"1": "Asia/Omsk", "2": "Asia/Omsk"}
    mixed = b"phone_number,time_zone\n79160000001,\n79160000002,Europe/Samara\n73430000003,\n"
    await ask("time_zone=Asia/Tomsk&time_zone_by_number=true", mixed)
    assert await zones() == {"1": "Asia/Tomsk", "2": "Europe/Samara", "3": "Asia/Yekaterinburg"}
    # Another zone makes it another request.
    answers = [
        await ask(f"time_zone={zone}", mixed, **{"Idempotency-Key": "k"}) for zone in ("UTC", "UTC", "Asia/Omsk")
    ]
    assert [answer.status for answer in answers] == [200, 200, 422]
