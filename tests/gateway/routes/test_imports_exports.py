"""Imports and exports over HTTP: any size, any dialect, every bad line named."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from common.error_codes import ErrorCode
from gateway.http.problems import fault_json
from tests.gateway.rig import Answer, Gateway, serving
from tests.patience import undisturbed

CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def send(gateway: Gateway, data: Any, headers: dict[str, str] = CSV, key: str | None = None) -> Answer:
    return await gateway.post(
        "/clients/import", data=data, headers=headers | ({} if key is None else {"Idempotency-Key": key})
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
async def test_csv_as_people_have_it(gateway: Gateway, encoding: str) -> None:
    text = 'phone_number;tag;time_zone\r\n+7 (916) 123-45-67;"новый; ""друг""";Europe/Moscow\r\n89161234568;;\r\n'
    answer = await send(gateway, text.encode(encoding))
    assert (answer.status, answer.json) == (
        200,
        {"created": 2, "updated": 0, "unchanged": 0, "rejected": 0, "errors": []},
    )
    listed = (await gateway.get("/clients")).json["clients"]
    assert [(each["phone_number"], each["tag"], each["time_zone"]) for each in listed] == [
        ("79161234567", 'новый; "друг"', "Europe/Moscow"),
        ("79161234568", "", "UTC"),
    ]
    assert (await send(gateway, text.encode(encoding))).json["unchanged"] == 2


@pytest.mark.parametrize("encoding", ["koi8-r", "KOI8-R", "cp866", "mac-cyrillic", "utf-16", "windows-1251"])
async def test_a_declared_charset_is_obeyed(gateway: Gateway, encoding: str) -> None:
    body = "phone_number;tag\r\n79161234567;Новые клиенты\r\n".encode(encoding)
    assert (await send(gateway, body, {"Content-Type": f"text/csv; charset={encoding}"})).json["created"] == 1
    assert (await gateway.get("/clients")).json["clients"][0]["tag"] == "Новые клиенты"


@pytest.mark.parametrize("charset", ["nonsense", "base64", "utf-7", ""])
@pytest.mark.parametrize("media_type", ["text/csv", "application/x-ndjson"])
async def test_a_charset_that_is_not_known_is_415(gateway: Gateway, charset: str, media_type: str) -> None:
    answer = await send(gateway, b"phone_number\n79161234567\n", {"Content-Type": f'{media_type}; charset="{charset}"'})
    assert answer.status == 415
    assert "charset" in answer.json["detail"]
    assert (await gateway.get("/clients")).json["total_size"] == 0


async def test_what_is_not_in_the_declared_charset_is_400_with_its_line(gateway: Gateway) -> None:
    body = "phone_number,tag\n79161234567,new\n79161234568,Новый\n".encode("cp1251")
    answer = await send(gateway, body, {"Content-Type": "text/csv; charset=utf-8"})
    assert (answer.status, answer.json["detail"]) == (400, "line 3 is not UTF-8 text, the encoding that was named")
    assert (await gateway.get("/clients")).json["total_size"] == 0


@pytest.mark.parametrize(("tag", "encoding"), [("Müller", "windows-1252"), ("Новые", "koi8-r"), ("новые", "koi8-r")])
async def test_a_file_that_windows_1251_turns_into_nonsense_is_not_stored(
    gateway: Gateway, tag: str, encoding: str
) -> None:
    body = f"phone_number,tag\n79161234567,{tag}\n".encode(encoding)
    answer = (await send(gateway, body)).json
    assert (answer["created"], answer["rejected"]) == (0, 1)
    (error,) = answer["errors"]
    assert (error["line"], error["field"]) == (2, "tag")
    assert "charset, --encoding" in error["message"]
    assert (await gateway.get("/clients")).json["total_size"] == 0
    assert (await send(gateway, body, {"Content-Type": f"text/csv; charset={encoding}"})).json["created"] == 1


async def test_phones_that_may_be_somebody_else_s_are_rejected_with_words(gateway: Gateway) -> None:
    right = ("\u202a+7 916 123-45-67\u202c", "\u200e8 916 123\u201145\u201168", "\u20667 916 123–45–69\u2069")
    wrong = ("7771234567.0", "8432345678.0", "812-345-67-89-1", "8001234567 (1)", "7,9265551E+10", "916123456x")
    body = "\n".join(["phone_number;tag", *right, *wrong]).encode()
    answer = (await send(gateway, body)).json
    assert (answer["created"], [error["line"] for error in answer["errors"]]) == (3, [5, 6, 7, 8, 9, 10])
    assert "format the column as text" in answer["errors"][4]["message"]
    assert answer["errors"][5]["message"] == 'contains "x" (LATIN SMALL LETTER X)'
    listed = (await gateway.get("/clients")).json["clients"]
    assert [each["phone_number"] for each in listed] == ["79161234567", "79161234568", "79161234569"]
    rows = b'{"phone_number": 79161234570}\n{"phone_number": 79161234571.0}\n'
    answer = (await send(gateway, rows, NDJSON)).json
    assert (answer["created"], [error["line"] for error in answer["errors"]]) == (1, [2])


async def test_a_csv_runs_nothing_in_a_table_program_unless_it_is_raw(gateway: Gateway) -> None:
    tags = ['=HYPERLINK("http://a.example")', "+1", "-1", "@SUM(A1)", "\t=1", "'=2", "it's"]
    for number, tag in enumerate(tags):
        await gateway.post("/clients", {"phone_number": f"7916000000{number}", "tag": tag})
    guarded, raw = [(await gateway.get(f"/clients/export{query}")).raw for query in ("", "?raw=true")]

    def cells(table: bytes) -> list[str]:
        return [row[2] for row in csv.reader(io.StringIO(table.decode()))][1:]

    assert cells(guarded) == [f"'{tag}" for tag in tags[:6]] + ["it's"]
    assert cells(raw)[:5] == tags[:5]
    assert (await gateway.get("/clients/export?raw=false")).raw == guarded
    for table in (guarded, raw):
        answer = (await send(gateway, table)).json
        assert (answer["unchanged"], answer["updated"], answer["rejected"]) == (len(tags), 0, 0)
    lines = (await gateway.get("/clients/export", headers={"Accept": NDJSON["Content-Type"]})).raw.splitlines()
    assert [orjson.loads(line)["tag"] for line in lines] == tags
    assert (await gateway.get("/clients/export?raw=1")).bad == ["/raw"]


async def test_every_seventh_line_bad_is_named_and_the_others_are_in(gateway: Gateway) -> None:
    lines = ["phone_number,tag,time_zone"]
    for line in range(2, 4002):
        row = f"7916{line:07d},new,UTC"
        if line % 7 == 0:  # by turns what the reader and what the engine refuses
            row = f"7916{line:07d},new,UTC,x" if line % 2 else f"12,new,Mars/{line}"
        lines.append(row)
    answer = (await send(gateway, "\n".join(lines).encode())).json
    bad = [line for line in range(2, 4002) if line % 7 == 0]
    assert (answer["created"], answer["rejected"]) == (4000 - len(bad), len(bad))
    assert sorted({each["line"] for each in answer["errors"]}) == bad
    assert [each["line"] for each in answer["errors"]] == sorted(each["line"] for each in answer["errors"])
    assert {each["field"] for each in answer["errors"]} == {"", "phone_number", "time_zone"}
    assert all(each["message"] for each in answer["errors"])
    assert (await gateway.get("/clients")).json["total_size"] == answer["created"]


async def test_the_first_thousand_faults_are_named_and_all_are_counted(gateway: Gateway) -> None:
    bad = b"12,new,Mars/Phobos\n"
    answer = (await send(gateway, b"phone_number,tag,time_zone\n" + bad * 30_000)).json
    assert (answer["created"], answer["rejected"]) == (0, 30_000)
    assert sorted({each["line"] for each in answer["errors"]}) == list(range(2, 502))
    assert len(answer["errors"]) == 1_000


async def test_attributes_there_and_back(gateway: Gateway) -> None:
    body = "phone_number;attributes.city;visits;Vip\n79160000000;Омск;12;true\n79160000001;;'12;\n"
    head = "/clients/import?attributes=visits,vip"
    answer = await gateway.ask("POST", head, data=body.encode(), headers={"Content-Type": "text/csv"})
    assert answer.json["created"] == 2
    table = (await gateway.get("/clients/export")).raw.decode()
    assert table.splitlines() == [
        "phone_number,phone_code,tag,time_zone,language,attributes.city,attributes.vip,attributes.visits",
        "79160000000,916,,UTC,,Омск,true,12",
        "79160000001,916,,UTC,,,,'12",
    ]
    assert (await send(gateway, table.encode())).json["unchanged"] == 2
    some = (await gateway.get("/clients/export?attributes=town,city&attributes.city=Омск")).raw.decode()
    assert some.splitlines()[0].endswith(",language,attributes.town,attributes.city")
    assert some.splitlines()[1:] == ["79160000000,916,,UTC,,,Омск"]
    lines = (await gateway.get("/clients/export", headers={"Accept": "application/x-ndjson"})).raw
    shown = [orjson.loads(line)["attributes"] for line in lines.splitlines()]
    assert shown == [{"city": "Омск", "vip": True, "visits": 12}, {"visits": "12"}]
    assert (await send(gateway, lines, NDJSON)).json["unchanged"] == 2
    # What a row does not name stays, an empty cell removes; null does so in NDJSON.
    assert (await send(gateway, b"phone_number,attributes.city\n79160000000,\n")).json["updated"] == 1
    row = b'{"phone_number": "79160000000", "attributes": {"vip": null, "n": 1.0}}'
    assert (await send(gateway, row, NDJSON)).json["updated"] == 1
    assert (await gateway.get("/clients/1")).json["attributes"] == {"n": 1, "visits": 12}


async def test_bad_attributes_of_a_file(gateway: Gateway) -> None:
    text = {"Content-Type": "text/csv"}
    for query, bad in (("attributes=City", "/attributes"), ("numbers=x", "/numbers"), ("columns=x", "/columns")):
        answer = await gateway.ask("POST", f"/clients/import?{query}", data=b"phone_number\n", headers=text)
        assert (answer.status, answer.bad) == (422, [bad])
    assert (await gateway.get("/clients/export?attributes=City")).bad == ["/attributes"]
    long = "x" * 501
    answer = await send(gateway, f"phone_number,attributes.a\n79160000000,{long}\n79160000001,ok\n".encode())
    (error,) = answer.json["errors"]
    assert (error["line"], error["field"], error["code"]) == (2, "attributes.a", "TOO_LONG")
    many = {f"a{n}": n for n in range(50)}
    row = orjson.dumps({"phone_number": "79160000001", "attributes": many})
    answer = await send(gateway, row, NDJSON)
    assert (answer.json["rejected"], answer.json["errors"][0]["field"]) == (1, "attributes")


@pytest.mark.parametrize(
    ("query", "header", "said"),
    [
        ("attributes=all", "phone_number,tag,Total spent", None),
        ("attributes=all", 'phone_number,tag,"a""b"', None),
        ("attributes=all", "phone_number,tag,!!!", ["'!!!'"]),
        ("attributes=all", "phone_number,tag,id", ["'id'"]),
        ("attributes=all", "phone_number,attributes.city,city", ["'attributes.city'", "'city'"]),
        ("attributes=all", "phone_number,Город,city", ["'Город'", "'city'"]),
        ("map=x%3Dphone_number", "phone_number,tag,x", ["'phone_number'", "'x'"]),
        ("map=x%3Dtag&map=y%3Dtag", "phone_number,x,y", ["'x'", "'y'"]),
        ("map=y%3Dtag", "phone_number,tag,y", ["'tag'", "'y'"]),
    ],
)
async def test_odd_columns_are_taken_or_named(
    gateway: Gateway, query: str, header: str, said: list[str] | None
) -> None:
    body = f"{header}\n79160000000,5,6\n".encode()
    answer = await gateway.ask("POST", f"/clients/import?{query}", data=body, headers=CSV)
    assert answer.status == (200 if said is None else 400)
    assert all(name in answer.json["detail"] for name in said or ())


async def test_ndjson_and_back(gateway: Gateway) -> None:
    same = {"phone_code": "916", "tag": "t,", "time_zone": "UTC"}
    rows = [
        {"phone_number": f"7916000000{n}", **same, "language": language, "attributes": {}}
        for n, language in enumerate(("", "ru", "pt-BR"))
    ]
    body = b"\n".join(map(orjson.dumps, rows))
    assert (await send(gateway, body, NDJSON)).json["created"] == 3
    out = await gateway.get("/clients/export", headers={"Accept": "application/x-ndjson"})
    assert out.headers["content-type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in out.raw.splitlines()] == rows
    table = await gateway.get("/clients/export?tag=t,")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.raw.decode().splitlines()[:2] == [
        "phone_number,phone_code,tag,time_zone,language",
        '79160000000,916,"t,",UTC,',
    ]
    assert (await send(gateway, table.raw)).json["unchanged"] == 3
    # A column that is missing leaves the language as it is, an empty cell takes it away; it is written in any case.
    assert (await send(gateway, b"phone_number,tag\n79160000001,x\n")).json["updated"] == 1
    assert (await send(gateway, b"phone_number,language\n79160000002,\n79160000000,PT-br\n79160000003,ru_RU\n")).json[
        "errors"
    ] == [{"line": 4, "field": "language", **fault_json(ErrorCode.NOT_LANGUAGE.format())}]
    listed = [(await gateway.get(f"/clients?language={each}")).json["clients"] for each in ("ru", "pt-br", "")]
    assert [[each["phone_number"][-1] for each in clients] for clients in listed] == [["1"], ["0"], ["2"]]
    assert len((await gateway.get("/clients/export?language=ru")).raw.splitlines()) == 2


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/*, application/*;q=0.1", "text/csv"),
        ("application/json", None),
        ("text/csv;q=0", None),
        ("*/*, text/csv;q=0", "application/x-ndjson"),
    ],
)
async def test_accept_says_the_format(gateway: Gateway, accept: str, expected: str | None) -> None:
    answer = await gateway.get("/clients/export", headers={"Accept": accept})
    if expected is None:
        assert (answer.status, answer.bad) == (406, [])
    else:
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, expected)


@pytest.mark.parametrize(
    ("body", "hint"),
    [(b"", "empty"), (b"PK\x03\x04" + b"x" * 99, "Excel"), (b"name\nAnna\n", "phone_number"), (b"[{}]", "NDJSON")],
)
async def test_what_is_no_table_is_refused_with_a_hint(gateway: Gateway, body: bytes, hint: str) -> None:
    answer = await send(gateway, body)
    assert answer.status == 400
    assert hint in answer.json["detail"]


async def test_what_is_no_import_is_refused(gateway: Gateway) -> None:
    assert (await send(gateway, b"{}", {"Content-Type": "application/json"})).status == 415
    assert (await gateway.post("/clients/import?dry=1", data=b"", headers=CSV)).bad == ["/dry"]
    answer = await gateway.post("/clients/import", data=b"phone_number\n79160000001\n", headers=CSV, token="mlt_no")
    assert answer.status == 401
    assert (await gateway.get("/clients/export", token="mlt_no")).status == 401


async def test_a_large_body_without_a_token_is_refused_too(gateway: Gateway) -> None:
    rows = b"phone_number\n" + b"".join(b"7916%07d\n" % n for n in range(50_000))
    assert (await gateway.post("/clients/import", data=rows, headers=CSV, token="mlt_no")).status == 401


async def test_a_repeat_with_its_key_gets_the_first_answer(gateway: Gateway) -> None:
    body = b"phone_number\n79160000001\n79160000002\n"
    first = await send(gateway, body, key="i-1")
    assert first.json["created"] == 2
    assert (await send(gateway, body, key="i-1")).json == first.json
    other = await send(gateway, body + b"79160000003\n", key="i-1")
    assert (other.status, other.bad) == (422, ["/Idempotency-Key"])
    assert "Idempotency-Key" in other.json["detail"]


@pytest.mark.parametrize("rows", [b"79160000001,a\n79160000002,b,%s\n", b"79160000001\n,%s\n"], ids=["one", "none"])
async def test_lines_that_can_not_be_read_are_part_of_what_a_key_stands_for(gateway: Gateway, rows: bytes) -> None:
    """No row comes of them, so the engine would not see the difference by itself; also when no line makes a row."""
    header = b"phone_number,tag\n"
    first = await send(gateway, header + rows % b"x", key="i-2")
    assert first.json["rejected"] > 0
    assert (await send(gateway, header + rows % b"x", key="i-2")).json == first.json
    other = await send(gateway, header + rows % b"y", key="i-2")
    assert (other.status, other.bad) == (422, ["/Idempotency-Key"])


async def test_a_limit_of_size(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"http_import_bytes": 100_000}) as gateway:
        rows = b"phone_number\n" + b"79160000001\n" * 20_000
        assert (await send(gateway, rows)).status == 413
        assert (await send(gateway, rows[:50_000])).status == 200


@pytest.mark.slow
@pytest.mark.alone
@undisturbed
async def test_fast_with_other_calls_answered_meanwhile(gateway: Gateway) -> None:
    """50,000 rows; the floor is 20,000 a second with processes of their own: here three share one loop."""

    async def rows() -> AsyncIterator[bytes]:
        yield b"phone_number,tag,time_zone\n"
        for start in range(0, 50_000, 1000):
            yield b"".join(b"7916%07d,new,Europe/Moscow\n" % n for n in range(start, start + 1000))

    started = time.perf_counter()
    work = asyncio.create_task(send(gateway, rows()))
    waits = []
    while not work.done():
        began = time.perf_counter()
        assert (await gateway.get("/clients/1")).status in (200, 404)
        waits.append(time.perf_counter() - began)
    assert (await work).json["created"] == 50_000
    seconds = time.perf_counter() - started
    assert 50_000 / seconds > 8_000
    assert sorted(waits)[len(waits) // 2] < 0.25


async def test_rows_that_are_too_long_are_errors_of_their_lines(gateway: Gateway) -> None:
    lines = "".join(f'{{"phone_number":"{79160000000 + n}","tag":"{"x" * 40_000}"}}\n' for n in range(60))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await gateway.ask("POST", "/clients/import", data=io.BytesIO(lines.encode()), headers=headers)
    assert answer.status == 200
    assert (answer.json["rejected"], {each["field"] for each in answer.json["errors"]}) == (60, {"tag"})
