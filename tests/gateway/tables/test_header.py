"""Which row is the header: one rule for CSV and workbooks, whatever stands above."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from gateway.tables.columns import Plan, Unknown, plan_of
from gateway.tables.csv_rows import Item, RowError, RowReader, UnreadableInput
from gateway.tables.sheet_program import lines_of
from tests.gateway.tables.workbooks import frame, packed, sheet_xml, workbook

Rows = Sequence[Sequence[str]]
Read = Callable[[Rows, Plan], tuple[RowReader, list[Item]]]
PROPOSE: Final = Plan(unknown=Unknown.PROPOSE)
WIDE: Final = ["Телефон", "Имя", "Город"]
ANNA: Final = ["79161234567", "Анна", "Омск"]


def delimited(delimiter: str) -> Read:
    def read(rows: Rows, plan: Plan) -> tuple[RowReader, list[Item]]:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(rows)
        return read_csv(text.getvalue(), plan)

    return read


def read_csv(text: str, plan: Plan = PROPOSE) -> tuple[RowReader, list[Item]]:
    reader = RowReader("csv", plan=plan)
    return reader, [*reader.feed(text.encode()), *reader.finish()]


def sheet(rows: Rows, plan: Plan) -> tuple[RowReader, list[Item]]:
    return read_sheet(workbook(("S", rows)), plan)


def read_sheet(data: bytes, plan: Plan = PROPOSE) -> tuple[RowReader, list[Item]]:
    reader = RowReader("sheet", plan=plan)
    lines = b"".join(lines_of(io.BytesIO(data), 64 * 1024))
    return reader, [*reader.feed(lines), *reader.finish()]


@pytest.fixture(params=[",", ";", "\t", "xlsx"])
def read(request: pytest.FixtureRequest) -> Read:
    return sheet if request.param == "xlsx" else delimited(request.param)


@pytest.mark.parametrize(
    ("above", "header"),
    [
        ([], WIDE),
        ([["Наши клиенты"]], WIDE),
        ([["ООО «Ромашка», Омск"], ["выгрузка; 05.05.2026"], [], ["", "", ""]], WIDE),
        ([["Телефоны клиентов", "", ""], ["за 01.05.2026-31.05.2026"]], WIDE),
        ([["Группа"], ["от", "5 мая"], ["Тег", "Город"]], WIDE),
        ([["Отчёт\nза май"], ["Звоните:", "8 800 555-35-35"]], WIDE),
        ([["a", "b"]] * 19, WIDE),
        ([["Список"]], ["Моб.\nтелефон", "Кто", "Где"]),
        ([["Телефоны клиентов"]], ["Телефон"]),
        ([["Список"]], ["Кому", "Что"]),
        ([], ["Кому", "Источник"]),
    ],
)
def test_the_header_is_found_below_titles_in_any_kind_of_file(read: Read, above: Rows, header: Sequence[str]) -> None:
    rows = [ANNA[: len(header)], ["79161234568", "телефон", ""][: len(header)], ["нет телефона"]]
    reader, items = read([*above, header, *rows], PROPOSE)
    assert [column.header for column in reader.columns] == header
    assert [[cell for cell in item.raw if cell] for item in items] == [[cell for cell in row if cell] for row in rows]


def test_what_is_said_of_columns_finds_their_header(read: Read) -> None:
    reader, items = read([["Тег", "Город"], ["Кому", "Что"], ["12", "vip"]], plan_of(["Кому=phone_number"]))
    assert [column.field for column in reader.columns] == ["phone_number", "ignore"]
    assert [item.raw for item in items] == [["12", "vip"]]


def test_the_first_client_is_no_header(read: Read) -> None:
    for rows in ([ANNA, ANNA], [[ANNA[0]]], [["Анна", "8 (916) 123-45-67"]]):
        with pytest.raises(UnreadableInput) as caught:
            read(rows, PROPOSE)
        assert caught.value.fault.code == "HEADER_WITHOUT_COLUMNS"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_header_is_the_same_however_the_bytes_come(size: int) -> None:
    text = '"Отчёт\nза ""май""";;\n;;\nИмя;"Моб.\nтелефон";Тег\nАнна;79161234567;"a\nb"\nБорис;"8\n'.encode()
    reader = RowReader("csv", plan=PROPOSE)
    items = [item for at in range(0, len(text), size) for item in reader.feed(text[at : at + size])]
    items += reader.finish()
    assert [column.header for column in reader.columns] == ["Имя", "Моб.\nтелефон", "Тег"]
    assert [(item.line, isinstance(item, RowError)) for item in items] == [(6, False), (8, True)]


def test_a_quote_that_is_never_closed_in_the_header_is_told_and_not_taken_for_a_name() -> None:
    for text in ('phone;"tag\n79161234567;x\n79161234568;y\n', '"phone\n79161234567\n', '"phone" x\n79161234567\n'):
        with pytest.raises(UnreadableInput) as caught:
            read_csv(text)
        assert caught.value.fault.code == "HEADER_NOT_CSV"


def test_a_beginning_without_a_phone_number_shows_its_header() -> None:
    reader = RowReader("csv", plan=PROPOSE)
    assert reader.feed("Кому;Что\n12;a\n".encode()) == []
    assert [item.raw for item in reader.settle()] == [["12", "a"]]


# -- merged cells -----------------------------------------------------------------------------------------------------


def merged(rows: Sequence[Sequence[str | None]], *areas: str) -> bytes:
    cells = "".join(f'<mergeCell ref="{area}"/>' for area in areas)
    xml = sheet_xml(rows).replace("</worksheet>", f"<mergeCells>{cells}</mergeCells></worksheet>")
    return packed({"xl/worksheets/sheet1.xml": xml} | frame(["S"]))


def test_cells_below_the_one_they_are_merged_with_have_its_value_but_not_its_number() -> None:
    rows = [
        [None, "Телефон", "Имя", "Город"],
        [None, "79161234567", "Анна", "Омск"],
        [None, None, "Борис", None],
        [None, "79161234569", "Вера", None],
        [None, "79161234570", "Глеб", None],
    ]
    _, items = read_sheet(merged(rows, "B2:B3", "D2:D4"))
    assert [item.raw for item in items] == [
        ["79161234567", "Анна", "Омск"],
        ["", "Борис", "Омск"],
        ["79161234569", "Вера", "Омск"],
        ["79161234570", "Глеб", ""],
    ]
    bad = items[1]
    assert isinstance(bad, RowError)
    assert (bad.line, bad.field, bad.message.code, bad.message.arguments) == (
        *(3, "phone_number", "PHONE_MERGED"),
        {"line": "2"},
    )
    assert [type(item) for item in items].count(RowError) == 1


def test_a_header_of_two_rows_has_the_names_that_are_merged_over_both() -> None:
    rows: list[list[str | None]] = [["Список"], ["Телефон", "Адрес"], [None, "Город", "Улица"], [*ANNA]]
    reader, items = read_sheet(merged(rows, "A1:C1", "A2:A3", "B2:C2"))
    assert [column.header for column in reader.columns] == ["Телефон", "Город", "Улица"]
    assert [item.raw for item in items] == [ANNA]


def test_a_row_of_which_all_is_merged_is_no_row() -> None:
    _, items = read_sheet(merged([["Телефон", "Имя"], ANNA[:2], [None, None], ["12", "Б"]], "A2:A3", "B2:B3"))
    assert [item.line for item in items] == [2, 4]


@pytest.mark.parametrize("blank", ["", ";;", " , "])
def test_blank_lines_above_a_header_are_none_of_those_it_is_looked_for_among(blank: str) -> None:
    reader, items = read_csv(f"{blank}\n" * 500 + f"{';'.join(WIDE)}\n{';'.join(ANNA)}\n")
    assert [column.header for column in reader.columns] == WIDE
    assert [item.raw for item in items] == [ANNA]
