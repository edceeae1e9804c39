"""Workbooks: what Excel writes is read as people see it, and what nobody should write costs little and is refused."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any, Final

import pytest

from gateway.tables import workbook as module
from gateway.tables.columns import IGNORE, Plan, Unknown, plan_of
from gateway.tables.csv_rows import ImportRow, Item, RowError, RowReader, UnreadableInput
from gateway.tables.workbook import Workbooks
from tests.gateway.tables.workbooks import DATE_STYLE, Raw, frame, packed, sheet_xml, workbook

PHONE: Final = "phone_number"
HEADER: Final = [PHONE, "tag"]


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), 1000):
        yield data[begin : begin + 1000]


async def read(data: bytes, plan: Plan = Plan(), sheet: str = "") -> tuple[list[Item], RowReader]:  # noqa: B008
    reader, items = RowReader("sheet", plan=plan), []
    async with aclosing(Workbooks().rows(pieces(data), sheet)) as rows:
        async for piece in rows:
            items += reader.feed(piece)
    return items + reader.finish(), reader


async def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableInput) as caught:
        await read(data)
    return caught.value.fault.code


async def tags(*values: Any) -> list[str | None]:
    rows = [HEADER, *(["79161234567", value] for value in values)]
    items, _ = await read(workbook(("Sheet", rows)))
    return [item.cell("tag") for item in items if isinstance(item, ImportRow)]


async def test_a_cell_is_what_people_see() -> None:
    cases = {
        "79161234567": 79161234567,
        "79161234568": Raw("", "<v>79161234568.0</v>"),
        "79161234569": Raw("", "<v>7.9161234569E+10</v>"),
        "79161234567.5": 79161234567.5,  # no phone number: the engine says so
        "7.91612E+10": "7.91612E+10",  # a text: what was lost of it nobody knows
        "1E+20": 10**20,
        "-5": -5,
        "0.3": 0.30000000000000004,
        "true": True,
        "2026-01-02": Raw(DATE_STYLE, "<v>46024</v>"),
        "2026-01-02T12:00:00": Raw(DATE_STYLE, "<v>46024.5</v>"),
        "Омск": " Омск ",
        "7": Raw("", "<f>3+4</f><v>7</v>"),  # as it was reckoned when the workbook was saved
        "=1+1": "=1+1",
        "'=1+1": "''=1+1",  # one apostrophe is a guard, as in CSV
        "a\nb": "a\nb",
        "a & <b>": "a & <b>",
    }
    assert dict(zip(cases, await tags(*cases.values()), strict=True)) == {name: name for name in cases}


async def test_formulas_that_were_never_reckoned_and_errors_are_empty() -> None:
    assert await tags(Raw("", "<f>1+1</f>"), Raw('t="e"', "<v>#N/A</v>")) == ["", ""]


async def test_formulas_that_were_never_reckoned_are_told_of_by_their_columns() -> None:
    never = [Raw("", "<f>1+1</f>"), Raw("", '<f t="shared" si="0"/><v/>'), Raw('s="1"', "<f>A1&amp;B1</f><v></v>")]
    reckoned = [Raw("", "<f>3+4</f><v>7</v>"), Raw('t="str"', "<f>IF(1,B1)</f><v></v>"), "text", None]
    table: list[Any] = [
        None,
        [None, "Телефон", "Сумма", ""],
        *([None, "79161234567", value] for value in (*never, *reckoned)),
    ]
    table.append([Raw("", "<f>1</f>"), "79161234568", None, Raw("", "<f>2</f>")])
    _, reader = await read(workbook(("S", table)), Plan(unknown=Unknown.PROPOSE))
    assert reader.formulas == [("A", 1), ("Сумма", 3), ("D", 1)]
    many = [HEADER, *(["79161234567", Raw("", f"<f>{'1+' * 50}1</f>")] for _ in range(5_000))]  # several pieces
    assert (await read(workbook(("S", many))))[1].formulas == [("tag", 5_000)]


async def test_one_sheet_is_read_and_the_others_are_told_of() -> None:
    both: list[tuple[str, Any]] = [
        ("Пусто", []),
        ("Клиенты", [HEADER, ["79161234567"]]),
        ("Итоги", [["a"]]),
        ("Ещё", [HEADER, ["79161234568"]]),
    ]
    items, reader = await read(workbook(*both))
    assert (reader.sheet, reader.other_sheets, [item.raw[0] for item in items]) == (
        "Клиенты",
        ["Итоги", "Ещё"],
        ["79161234567"],
    )
    items, reader = await read(workbook(*both), sheet="Ещё")
    assert (reader.sheet, reader.other_sheets) == ("Ещё", ["Клиенты", "Итоги"])
    assert [item.raw[0] for item in items] == ["79161234568"]
    for name in ("клиенты", "no\0\ud800ne"):
        with pytest.raises(UnreadableInput, match="its sheets are 'Пусто', 'Клиенты', 'Итоги', 'Ещё'"):
            await read(workbook(*both), sheet=name)


async def test_a_hidden_sheet_is_read_when_no_other_has_rows() -> None:
    parts = frame(["Список", "Клиенты"])
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace('name="Список"', 'name="Список" state="hidden"')
    for rows, sheet in ([HEADER, ["79161234568"]], "Клиенты"), ([], "Список"):
        sheets = {"xl/worksheets/sheet1.xml": sheet_xml([HEADER]), "xl/worksheets/sheet2.xml": sheet_xml(rows)}
        _, reader = await read(packed(parts | sheets))
        assert (reader.sheet, reader.other_sheets) == (sheet, [])


async def test_shared_strings_are_looked_up() -> None:
    rows = [HEADER, ["79161234567", Raw('t="s"', "<v>1</v>")]]
    items, _ = await read(workbook(("S", rows), strings="<si><t>a</t></si><si><r><t>Ом</t></r><r><t>ск</t></r></si>"))
    assert [item.cell("tag") for item in items if isinstance(item, ImportRow)] == ["Омск"]


async def test_the_first_sheet_with_rows_is_read_and_named_and_rows_keep_their_numbers() -> None:
    rows: list[Any] = [
        None,
        ["Наши клиенты"],
        None,
        [None, "Имя", "Телефон"],
        None,
        [None, "Анна", 79161234567],
        [None, "", ""],
        [None, None, "79161234568", None],
    ]
    items, reader = await read(workbook(("Пусто", []), ("Клиенты", rows), ("Ещё", [HEADER])), plan_of(["Имя=tag"]))
    assert reader.sheet == "Клиенты"
    assert [(item.line, item.cell("tag"), item.cell(PHONE)) for item in items if isinstance(item, ImportRow)] == [
        (6, "Анна", "79161234567"),
        (8, "", "79161234568"),
    ]
    assert [column.field for column in reader.columns] == [IGNORE, "tag", PHONE]


async def test_a_header_that_names_nothing_can_be_shown() -> None:
    table = workbook(("S", [["Список"], ["Кому", "Что"], ["79161234567", "vip"]]))
    with pytest.raises(UnreadableInput) as caught:
        await read(table)
    assert caught.value.fault.code == "HEADER_WITHOUT_COLUMNS"
    items, reader = await read(table, Plan(unknown=Unknown.PROPOSE))
    assert [column.header for column in reader.columns] == ["Кому", "Что"]
    assert [item.raw for item in items] == [["79161234567", "vip"]]


async def test_a_row_that_is_too_long_is_one_bad_row() -> None:
    rows = [HEADER, ["79161234567", "x" * 20_000], ["79161234568", *["y" * 20_000] * 4], ["79161234569", "z"]]
    items, _ = await read(workbook(("S", rows)))
    assert [(item.line, isinstance(item, RowError)) for item in items] == [(2, False), (3, True), (4, False)]


# -- what nobody should write -------------------------------------------------------------------------


def hostile() -> Iterator[tuple[str, bytes, str]]:
    good = workbook(("S", [HEADER, ["79161234567", "vip"]]))
    yield "no archive", b"PK\x03\x04 and more", "WORKBOOK_UNREADABLE"
    yield "nothing", b"", "WORKBOOK_UNREADABLE"
    yield "text", b"phone_number\n79161234567\n", "WORKBOOK_UNREADABLE"
    yield "cut", good[: len(good) // 2], "WORKBOOK_UNREADABLE"
    yield "another archive", packed({"a.txt": b"a"}), "WORKBOOK_UNREADABLE"
    yield "no sheet", workbook(), "WORKBOOK_EMPTY"
    yield "an empty sheet", workbook(("S", [])), "WORKBOOK_EMPTY"
    yield "blank rows", workbook(("S", [["", " "], [None, ""]])), "WORKBOOK_EMPTY"
    yield "no sheet's file", packed(frame(["S"])), "WORKBOOK_UNREADABLE"
    yield "broken XML", packed(frame(["S"]) | {"xl/worksheets/sheet1.xml": "<worksheet><sheetData><row"}), "WORKBOOK_"
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000
    yield "an old one", locked, "WORKBOOK_UNREADABLE"


@pytest.mark.parametrize(("data", "code"), [case[1:] for case in hostile()], ids=[case[0] for case in hostile()])
async def test_what_is_no_workbook_is_refused_in_words(data: bytes, code: str) -> None:
    assert (await refusal(data)).startswith(code)


@pytest.mark.parametrize("entity", ['"aaaa"', 'SYSTEM "file:///etc/passwd"', '"&a;&a;"'])
async def test_entities_stand_for_nothing(entity: str) -> None:
    sheet = sheet_xml([HEADER, ["79161234567", "&a;"]]).replace("&amp;", "&")
    data = packed(frame(["S"]) | {"xl/worksheets/sheet1.xml": f"<!DOCTYPE a [<!ENTITY a {entity}>]>{sheet}"})
    with suppress(UnreadableInput):
        items, _ = await read(data)
        assert [item.cell("tag") for item in items if isinstance(item, ImportRow)] in ([""], ["&a;"])


def damaged(seed: int) -> bytes:
    """A good workbook with some bytes of its archive, or of the XML in it, replaced by others."""
    chance = random.Random(seed)
    strings = "<si><t>Омск</t></si>"
    shared = Raw('t="s"', "<v>0</v>")
    rows = [HEADER, *[[79161234567 + n, shared, Raw(DATE_STYLE, "<v>46024</v>")] for n in range(5)]]

    def edited(data: bytes) -> bytes:
        found = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            begin = chance.randrange(len(found))
            found[begin : begin + chance.randint(0, 6)] = chance.choice([b"", b"999999999", b"<", b"\xff\xff\xff\xff"])
        return bytes(found)

    if seed % 2:
        return edited(workbook(("S", rows), strings=strings))
    files = frame(["S"], strings) | {"xl/worksheets/sheet1.xml": sheet_xml(rows)}
    name = chance.choice(["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"])
    return packed(files | {name: edited(files[name].encode())})


@pytest.mark.parametrize("seed", range(24))
async def test_a_damaged_workbook_gives_rows_or_one_refusal(seed: int) -> None:
    with suppress(UnreadableInput):
        items, _ = await read(damaged(seed))
        assert [item.line for item in items] == sorted({item.line for item in items})


def far_apart() -> dict[str, Any]:
    rows = "".join(f'<row r="{n}"><c r="{place}{n}"><v>1</v></c></row>' for place, n in (("A", 1), ("XFD", 1_048_576)))
    return {"xl/worksheets/sheet1.xml": sheet_xml([]).replace("<sheetData>", f"<sheetData>{rows}")}


def strings() -> dict[str, Any]:
    """Of 400 megabytes, in an archive of one."""
    many = (b"<si><t>" + b"a" * 1000 + b"</t></si>") * 400_000
    return {
        "xl/sharedStrings.xml": b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        + many
        + b"</sst>"
    }


@pytest.mark.parametrize("bomb", [far_apart, strings])
async def test_a_bomb_has_no_more_memory_than_it_is_given(
    bomb: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(frame(["S"]) | {"xl/worksheets/sheet1.xml": sheet_xml([HEADER])} | bomb())
    assert len(data) < 2 * 1024**2
    monkeypatch.setattr(module, "MEMORY_BYTES", 200 * 1024**2)
    assert await refusal(data) == "WORKBOOK_TOO_LARGE"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 1024**2  # KiB


async def test_a_workbook_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 0)
    assert await refusal(workbook(("S", [HEADER, *[["79161234567", "x"]] * 50_000]))) == "WORKBOOK_TOO_LARGE"


async def test_some_are_read_at_a_time_and_nothing_stays_of_one_that_is_left() -> None:
    workbooks, data = Workbooks(readers=1), workbook(("S", [HEADER, *[["79161234567", "x" * 100]] * 50_000]))
    first, then = workbooks.rows(pieces(data)), workbooks.rows(pieces(data))
    await anext(first)
    second = asyncio.ensure_future(anext(then))
    assert not (await asyncio.wait([second], timeout=0.1))[0]
    await first.aclose()
    assert (await second).startswith(b'{"sheet":"S"')
    await then.aclose()
