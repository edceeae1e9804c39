"""What an import will do, told before it does it; and clients as a file."""

from __future__ import annotations

import asyncio
import codecs
import csv
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.tables.columns import is_attribute
from gateway.tables.csv_rows import ImportRow, read_rows
from gateway.tables.workbook import WORKBOOK_TYPE
from tests.admin.rig import Panel
from tests.gateway.rig import Answer
from tests.gateway.tables.workbooks import Raw, workbook

CSV = "text/csv"
NUMBERS = ["8 (916) 000-00-01", "+79160000002", "9160000003"]


async def preview(panel: Panel, data: bytes, size: int | None = None, kind: str = CSV) -> Answer:
    headers = {**panel.headers, "Content-Type": kind}
    params = {"size": str(len(data) if size is None else size)}
    return await panel.ask("POST", "/clients/import_preview", params=params, data=data, headers=headers)


async def export(panel: Panel, filter: Any, format: str = "csv") -> Answer:
    return await panel.ask("GET", "/clients/export", params={"filter": json.dumps(filter), "format": format})


async def test_a_default_zone_is_for_new_clients_as_the_import_has_it(panel: Panel) -> None:
    await panel.write("POST", "/clients", data={"phone_number": "79160000001", "time_zone": "Asia/Omsk"})
    headers = {**panel.headers, "Content-Type": CSV}
    for column, zones in ("tag", ["Asia/Omsk", "Asia/Tomsk"]), ("time_zone", ["Asia/Tomsk", "Asia/Tomsk"]):
        data = f"phone_number;{column}\n79160000001;\n79160000002;\n".encode()
        params = {"size": str(len(data)), "default_time_zone": "Томск"}
        told = await panel.ask("POST", "/clients/import_preview", params=params, data=data, headers=headers)
        assert [row["values"]["time_zone"] for row in told.json["rows"]] == zones
        params = {"key": "k", "default_time_zone": "Томск"}
        answer = await panel.ask("POST", "/clients/import", params=params, data=data, headers=headers)
        assert answer.json["rejected"] == 0
        assert [each["time_zone"] for each in (await panel.list("clients")).json["data"]] == zones


async def test_words_for_a_reason_of_the_stop_list_are_shown_and_no_error(panel: Panel) -> None:
    data = "Телефон;Причина\n79160000001;отписка\n79160000002;не помню\n79160000003;opt_out\n12;\n".encode()
    headers = {**panel.headers, "Content-Type": CSV}
    params = {"size": str(len(data))}
    told = await panel.ask("POST", "/suppressions/import_preview", params=params, data=data, headers=headers)
    rows = [(row["outcome"], row["values"].get("reason")) for row in told.json["rows"]]
    assert rows == [("created", "отписка"), ("created", "не помню"), ("created", "opt_out"), ("bad", None)]


async def test_a_workbook_s_sheets_and_formulas_are_told(panel: Panel) -> None:
    rows = [["Телефон", "Сумма"], ["79160000001", Raw("", "<f>1+1</f>")]]
    data = workbook(("Клиенты", rows), ("Ещё", [["Телефон"], ["79160000002"]]))
    told = (await preview(panel, data, kind=WORKBOOK_TYPE)).json
    assert (told["sheet"], told["other_sheets"]) == ("Клиенты", ["Ещё"])
    assert told["formulas"] == [{"column": "Сумма", "count": 1}]
    headers = {**panel.headers, "Content-Type": WORKBOOK_TYPE}
    params = {"key": "k", "sheet": "Ещё"}
    assert (await panel.ask("POST", "/clients/import", params=params, data=data, headers=headers)).json["created"] == 1
    assert [each["phone_number"] for each in (await panel.list("clients")).json["data"]] == ["79160000002"]


async def test_what_a_column_is_offered_as_can_be_said(panel: Panel) -> None:
    """Of any name, those of fields and of columns that are called the same too; what is not taken need not be named."""
    headers = ["phone", "id", "tag", "language", "Телефон", "phone", "import_error", *(f"№ {n}" for n in range(150))]
    file = ",".join(headers) + "\n79160000001" + ",x" * (len(headers) - 1) + "\n"
    columns = (await preview(panel, file.encode())).json["columns"]
    assert all(is_attribute(column["attribute"]) for column in columns)
    assert len({column["header"] for column in columns}) == len(columns) == len(headers) - 1
    said = [("key", "k"), ("rest", "ignore"), ("map", "phone (2)=attributes.second"), ("map", "phone=phone_number")]
    headers_sent = {**panel.headers, "Content-Type": "text/csv"}
    answer = await panel.ask("POST", "/clients/import", params=said, data=file.encode(), headers=headers_sent)
    assert answer.json["created"] == 1
    assert (await panel.list("clients")).json["data"][0]["attributes"] == {"second": "x"}


async def test_rows_are_shown_as_they_will_be_stored(panel: Panel) -> None:
    await panel.write("POST", "/clients", data={"phone_number": "79160000001", "tag": "old", "time_zone": "Asia/Omsk"})
    await panel.write("POST", "/clients", data={"phone_number": "79160000002", "tag": "same", "phone_code": "7"})
    file = (
        "tag;phone_number\n"
        "зима;8 (916) 000-00-01\n"
        "same;+79160000002\n"
        "it's <b>;9160000003\n"
        "later;89160000003\n"
        f"{'x' * 65};12\n"
        "a;b;c\n"
    ).encode("windows-1251")
    told = (await preview(panel, file)).json
    assert {key: told[key] for key in ("format", "encoding", "delimiter", "columns", "estimated_rows", "is_whole")} == {
        "format": "csv",
        "encoding": "windows-1251",
        "delimiter": ";",
        "columns": [
            {"header": "tag", "field": "tag", "attribute": "attributes.tag_2", "values": ["зима", "same", "it's <b>"]},
            {
                "header": "phone_number",
                "field": "phone_number",
                "attribute": "attributes.phone_number_2",
                "values": NUMBERS,
            },
        ],
        "estimated_rows": 6,
        "is_whole": True,
    }
    outcomes = ["updated", "unchanged", "created", "repeat", "bad", "bad"]
    assert [(row["line"], row["outcome"]) for row in told["rows"]] == list(zip(range(2, 8), outcomes, strict=True))
    # A column that is not there leaves what a client has.
    clients = [row["values"] for row in told["rows"]]
    told_of = ("phone_number", "phone_code", "tag", "time_zone", "language", "attributes")
    assert clients[0] == dict(zip(told_of, ("79160000001", "916", "зима", "Asia/Omsk", "", {}), strict=True))
    assert clients[1]["phone_code"] == "7"
    assert clients[2] == dict(zip(told_of, ("79160000003", "916", "it's <b>", "UTC", "", {}), strict=True))
    assert told["rows"][3]["same_as_line"] == 4
    assert [error["field"] for error in told["rows"][4]["errors"]] == ["phone_number", "tag"]
    (error,) = told["rows"][5]["errors"]
    assert (error["field"], error["code"], error["arguments"]) == ("", "ROW_CELLS", {"count": "3", "columns": "2"})
    # And nothing of it is stored.
    listed = (await panel.list("clients")).json["data"]
    assert [(each["phone_number"], each["tag"]) for each in listed] == [
        ("79160000001", "old"),
        ("79160000002", "same"),
    ]
    # The import does what the preview said.
    headers = {**panel.headers, "Content-Type": CSV}
    done = (await panel.ask("POST", "/api/v1/clients/import", data=file, headers=headers)).json
    assert {key: done[key] for key in ("created", "updated", "unchanged", "rejected")} == {
        "created": 1,
        "updated": 2,  # the repeat is one
        "unchanged": 1,
        "rejected": 2,
    }


@pytest.mark.parametrize(
    ("mark", "encoding", "told"),
    [(codecs.BOM_UTF8, "utf-8", "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"), (b"", "ascii", None)],
)
async def test_encodings(panel: Panel, mark: bytes, encoding: str, told: str | None) -> None:
    tag = "vip" if told is None else "Зима"
    answer = (await preview(panel, mark + f"phone_number\ttag\r\n79160000001\t{tag}\r\n".encode(encoding))).json
    assert (answer["encoding"], answer["delimiter"]) == (told, "\t")
    assert answer["rows"][0]["values"]["tag"] == tag


async def test_an_encoding_in_doubt_can_be_named(panel: Panel) -> None:
    file = "phone_number;tag\n79160000001;Новые\n".encode("koi8-r")
    guessed = (await preview(panel, file)).json
    assert (guessed["encoding"], guessed["is_encoding_in_doubt"]) == ("windows-1251", True)
    (error,) = guessed["rows"][0]["errors"]
    assert error["field"] == "tag"
    assert "reads 'оПЧЩЕ' in Windows-1251, which looks wrong" in error["message"]
    named = (await preview(panel, file, kind="text/csv; charset=koi8-r")).json
    assert (named["encoding"], named["is_encoding_in_doubt"]) == ("koi8-r", False)
    assert named["rows"][0]["values"]["tag"] == "Новые"
    headers = {**panel.headers, "Content-Type": "text/csv; charset=koi8-r"}
    done = await panel.ask("POST", "/clients/import?key=k", data=file, headers=headers)
    assert done.json["created"] == 1
    # Where nothing can be read, the encoding is what is wrong.
    for kind, tag in ((CSV, b"\x98"), ("text/csv; charset=utf-8", b"\xff")):
        answer = await preview(panel, b"phone_number,tag\n79160000001," + tag + b"\n", kind=kind)
        assert (answer.status, answer.bad) == (400, ["/charset"])
    late = (await preview(panel, b"phone_number,tag\n79160000001,\x98")).json
    assert (late["is_encoding_in_doubt"], late["rows"][0]["outcome"]) == (True, "bad")
    assert (await preview(panel, file, kind="text/csv; charset=nonsense")).status == 415


async def test_a_long_file_is_judged_by_its_beginning(panel: Panel) -> None:
    header, line = b"phone_number\n", b"79160000001\n"
    sample = header + line * 30 + b"7916"  # cut in the middle of a line, which is no row then
    told = (await preview(panel, sample, size=100 * len(sample))).json
    assert (told["is_whole"], len(told["rows"]), told["rows"][-1]["line"]) == (False, 20, 21)
    assert told["estimated_rows"] == 3000
    ndjson = (await preview(panel, b'{"phone_number": "89160000001"}\n{"tag": 1}', kind="application/x-ndjson")).json
    assert (ndjson["format"], [row["outcome"] for row in ndjson["rows"]]) == ("ndjson", ["created", "bad"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the input is empty"),
        (b"PK\x03\x04more", "this is an Excel workbook"),
    ],
)
async def test_what_is_no_table_of_clients(panel: Panel, data: bytes, says: str) -> None:
    answer = await preview(panel, data)
    assert answer.status == 400
    assert says in answer.json["detail"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_columns_are_told_from_their_names_and_shown_with_their_first_values(panel: Panel, kind: str) -> None:
    rows = [
        ["import_error", "Мобильный", "Телефон", "Группа", "Город", "Любимый цвет", "id"],
        ["", "79160000001", "", "vip", "Омск", "синий", "1"],
        ["x", "79160000002", "", "vip", "Ош", "", "2"],
        ["", "79160000003", "", "vip", "Тула", "", "3", "of no column"],
    ]
    text = "\n".join(";".join(row) for row in rows).encode()
    file, type = (text, CSV) if kind == "csv" else (workbook(("Лист1", rows)), WORKBOOK_TYPE)
    told = (await preview(panel, file, kind=type)).json
    assert told["sheet"] == (None if kind == "csv" else "Лист1")
    assert (told["format"], told["is_whole"], told["estimated_rows"]) == (kind, True, 3)
    assert [(each["header"], each["field"], each["values"]) for each in told["columns"]] == [
        ("Мобильный", "phone_number", ["79160000001", "79160000002", "79160000003"]),
        ("Телефон", "attributes.telefon", []),
        ("Группа", "tag", ["vip"]),
        ("Город", "attributes.city", ["Омск", "Ош", "Тула"]),
        ("Любимый цвет", "attributes.lyubimyy_tsvet", ["синий"]),
        ("id", "attributes.id_2", ["1", "2", "3"]),
    ]
    assert [row["outcome"] for row in told["rows"]] == ["created", "created", "bad"]
    bad = told["rows"][2]["values"]  # people see whose row it is that can't be read
    assert (bad["phone_number"], bad["attributes"]["city"]) == ("79160000003", "Тула")


async def test_a_table_without_numbers_is_shown_so_that_somebody_says_where_they_are(panel: Panel) -> None:
    told = (await preview(panel, "Кому;Тег\n79160000001;vip\n".encode())).json
    assert [each["field"] for each in told["columns"]] == ["attributes.komu", "tag"]
    assert [row["outcome"] for row in told["rows"]] == ["bad"]
    file, headers = "Кому;Тег\n79160000001;vip\n".encode(), {**panel.headers, "Content-Type": CSV}
    params = [("key", "k"), ("map", "Кому=phone_number")]
    done = await panel.ask("POST", "/clients/import", params=params, data=file, headers=headers)
    assert done.json["created"] == 1
    bad = await panel.ask("POST", "/clients/import?key=k&map=x", data=file, headers=headers)
    assert (bad.status, bad.bad) == (422, ["/map"])


async def test_a_preview_of_very_many_rows_counts_them_and_shows_few(panel: Panel) -> None:
    told = (await preview(panel, b"phone_number,tag\n" + b"x\n" * 100_000)).json
    assert (told["estimated_rows"], len(told["rows"])) == (100_000, 20)
    assert {row["outcome"] for row in told["rows"]} == {"bad"}


async def test_previews_asked_for_wrongly(panel: Panel) -> None:
    assert (await preview(panel, b"x", kind="application/json")).status == 415
    assert (await panel.ask("POST", "/clients/import_preview?size=-1", data=b"x")).bad == ["/size"]
    assert (await preview(panel, b"x" * (256 * 1024 + 1))).status == 413
    line = await preview(panel, b"x" * 1024, size=2048)
    assert (line.status, line.json["detail"]) == (
        400,
        "line 1 is longer than 1 KiB: this is no table of clients",
    )


async def test_an_import_tells_how_far_it_is(panel: Panel) -> None:
    async def progress() -> Any:
        return (await panel.ask("GET", "/clients/import_progress", params={"key": "mine"})).json

    async def file() -> AsyncIterator[bytes]:
        yield b"phone_number\n" + b"".join(b"7916%07d\n" % number for number in range(1550))
        while not ((told := await progress()) or {"read_bytes": 0})["read_bytes"]:
            await asyncio.sleep(0.01)
        # Pages of rows are with the engine, the rest waits for its page to be full.
        assert 1300 <= told["rows"] < 1550
        assert 0 < told["read_bytes"] <= 13 + 1550 * 12
        second = await panel.ask("POST", "/clients/import?key=mine", data=b"phone_number\n", headers=headers)
        assert second.status == 409
        yield b"12\n"

    headers = {**panel.headers, "Content-Type": CSV}
    assert await progress() is None
    answer = await panel.ask("POST", "/clients/import?key=mine", data=file(), headers=headers)
    assert (answer.json["created"], [error["line"] for error in answer.json["errors"]]) == (1550, [1552])
    assert await progress() is None
    assert (await panel.ask("POST", "/clients/import", data=b"", headers=headers)).bad == ["/key"]
    assert (await panel.ask("POST", "/clients/import?key=a", data=b"", headers=headers)).status == 400
    assert (await panel.ask("POST", "/clients/import?key=a", data=b"x")).status == 415


async def test_exports_have_what_the_list_shows_and_can_be_imported_again(panel: Panel) -> None:
    for number, tag in (("79160000001", "Зима's; <b>"), ("79160000002", ""), ("79030000003", "vip")):
        language = "ru" if tag == "vip" else ""
        await panel.write("POST", "/clients", data={"phone_number": number, "tag": tag, "language": language})
    excel = await export(panel, {"phone_contains": "916"}, "excel")
    assert excel.headers["content-type"] == "text/csv; charset=utf-8"
    header = "phone_number;phone_code;tag;time_zone;language"
    lines = [header, '79160000001;916;"Зима\'s; <b>";UTC;', "79160000002;916;;UTC;"]
    assert excel.raw == codecs.BOM_UTF8 + "\n".join([*lines, ""]).encode()
    assert [row.cells for row in read_rows([excel.raw]) if isinstance(row, ImportRow)] == [
        ("79160000001", "916", "Зима's; <b>", "UTC", ""),
        ("79160000002", "916", "", "UTC", ""),
    ]
    assert (await export(panel, {"no_tag": True})).raw.split(b"\n")[1:] == [b"79160000002,916,,UTC,", b""]
    assert len((await export(panel, {})).raw.splitlines()) == 4
    assert (await panel.list("clients", {"no_tag": True})).json["total"] == 1
    found = [(await panel.list("clients", each)).json["total"] for each in ({"language": "RU"}, {"no_language": True})]
    assert found == [1, 2]
    assert (await panel.ask("GET", "/clients/facets")).json["languages"] == [
        {"value": "", "client_count": 2},
        {"value": "ru", "client_count": 1},
    ]


async def test_excel_runs_no_tag_as_a_formula_and_the_import_gives_the_tag_back(panel: Panel) -> None:
    tags = ['=HYPERLINK("http://a.example")', "+1", "-1", "@SUM(A1)", "'=2", "it's", "'quoted'"]
    for number, tag in enumerate(tags):
        await panel.write("POST", "/clients", data={"phone_number": f"7916000000{number}", "tag": tag})
    excel = (await export(panel, {}, "excel")).raw
    cells = [row[2] for row in csv.reader(excel.decode("utf-8-sig").splitlines()[1:], delimiter=";")]
    assert cells == ['\'=HYPERLINK("http://a.example")', "'+1", "'-1", "'@SUM(A1)", "''=2", "it's", "'quoted'"]
    assert [row.cell("tag") for row in read_rows([excel]) if isinstance(row, ImportRow)] == tags
    plain = (await export(panel, {})).raw
    assert b",'+1,UTC" in plain
    assert [row.cell("tag") for row in read_rows([plain]) if isinstance(row, ImportRow)] == tags
    headers = {**panel.headers, "Content-Type": CSV}
    done = (await panel.ask("POST", "/api/v1/clients/import", data=excel, headers=headers)).json
    assert (done["unchanged"], done["updated"], done["rejected"]) == (len(tags), 0, 0)


async def test_exports_asked_for_wrongly(panel: Panel) -> None:
    assert (await export(panel, {"colour": "red"})).bad == ["/filter/colour"]
    assert (await export(panel, [])).bad == ["/filter"]
    assert (await export(panel, {}, "xlsx")).bad == ["/format"]
    assert (await export(panel, {"phone_contains": "1"})).bad == ["/phone_contains"]
