"""What a column is: said, told by its name, or proposed; never two columns as one, and never a name that can't be."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.error_codes import Unfit
from engine.domain.attributes import ENTRIES_MAX
from gateway.tables.columns import (
    ATTRIBUTES_MAX,
    IGNORE,
    Plan,
    Unknown,
    attribute_name,
    columns_of,
    folded,
    is_attribute,
    parse_map,
    plan_of,
)
from gateway.tables.row_text import COLUMNS
from gateway.tables.suppression_rows import PLAN as STOP_LIST

PROPOSE: Final = Plan(unknown=Unknown.PROPOSE)


def fields(*headers: str, plan: Plan = PROPOSE) -> list[str]:
    return [column.field for column in columns_of(headers, plan)]


@pytest.mark.parametrize(
    ("field", "headers"),
    [
        (
            "phone_number",
            "Телефон|телефон |ТЕЛЕФОН|Мобильный|Мобильный тел.|Моб. тел.|Сотовый|Номер|Номер телефона|"
            "Контактный телефон|Телефон (моб.)|"
            "Phone|Mobile|Mobile phone|Phone number|Phone 1|phone_number|Phone-Number|Cell|MSISDN",
        ),
        ("tag", "Тег|Тэг|Метка|Группа|Сегмент|Tag|tag|Group|Segment|Label"),
        (
            "time_zone",
            "Часовой пояс|Часовой_пояс|Таймзона|Time zone|timezone|time_zone|TZ|UTC offset|UTC|GMT|Смещение UTC",
        ),
        ("phone_code", "Код оператора|DEF-код|Operator code|phone_code"),
        ("language", "Язык|Language|lang"),
        ("attributes.name", "Имя|Name|First name|attributes.name|attributes.NAME"),
        ("attributes.city", "Город|City"),
        ("attributes.last_name", "Фамилия|Last name"),
        ("attributes.full_name", "ФИО|Ф.И.О.|Full name"),
        ("attributes.birthday", "Дата рождения|Birthday"),
        ("attributes.lyubimyy_tsvet", "Любимый цвет"),
        ("attributes.shche_el", "ЩЁ_ель"),
        ("attributes.cafe_no_1", "Café, No 1"),
        ("attributes.column_1", "1"),
        ("attributes.no", "№"),
        ("attributes.column", "?!"),
        ("attributes.id_2", "ID"),
        (IGNORE, " |import_error|Import error"),
    ],
)
def test_names_that_people_give(field: str, headers: str) -> None:
    assert {header: fields(header) for header in headers.split("|")} == {
        header: [field] for header in headers.split("|")
    }


def test_of_two_that_could_be_the_number_the_surer_one_is_it() -> None:
    assert fields("Номер", "Телефон", "Мобильный") == ["attributes.nomer", "attributes.telefon", "phone_number"]
    assert fields("Телефон", "phone_number") == ["attributes.telefon", "phone_number"]
    assert fields("Телефон 1", "Телефон 2") == ["phone_number", "attributes.telefon_2"]
    assert fields("Цвет", "цвет", "Цвет") == ["attributes.tsvet", "attributes.tsvet_2", "attributes.tsvet_3"]


def test_what_is_said_goes_before_what_is_guessed() -> None:
    plan = plan_of(["Телефон=ignore", " ДОП. НОМЕР = phone_number", "Город=tag", "a=b=attributes.x"])
    assert fields("Телефон", "Доп. номер", "Город", "a=b", "Имя", "Цвет", plan=plan) == [
        IGNORE, "phone_number", "tag", "attributes.x", "attributes.name", IGNORE,
    ]  # fmt: skip


def test_without_a_word_nothing_is_lost_unseen() -> None:
    assert fields("Телефон", "Тег", plan=Plan()) == ["phone_number", "tag"]
    for unknown in ("Цвет", "city", "Город", "Номер"):
        with pytest.raises(Unfit) as caught:
            fields("Телефон", unknown, plan=Plan())
        assert caught.value.fault.code == "COLUMN_UNKNOWN"
        assert unknown in caught.value.fault


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (["Телефон"], "NOT_COLUMN_MAP"),
        (["=tag"], "NOT_COLUMN_MAP"),
        (["Телефон="], "NOT_COLUMN_MAP"),
        (["Телефон=phone"], "NOT_COLUMN_MAP"),
        (["Имя=attributes."], "NOT_COLUMN_MAP"),
        (["Имя=attributes.Name"], "NOT_COLUMN_MAP"),
        (["Имя=attributes.1"], "NOT_COLUMN_MAP"),
        (["Имя=attributes.id"], "NOT_COLUMN_MAP"),
        ([f"Имя=attributes.{'a' * 33}"], "NOT_COLUMN_MAP"),
        (["Тег=tag", "тег=ignore"], "COLUMN_MAPPED_TWICE"),
    ],
)
def test_what_can_not_be_said(entries: list[str], code: str) -> None:
    with pytest.raises(Unfit) as caught:
        parse_map(entries)
    assert caught.value.fault.code == code


@pytest.mark.parametrize(
    ("headers", "entries", "code"),
    [
        (["Телефон"], ["Тел=phone_number"], "COLUMN_NOT_THERE"),
        (["a", "b"], ["a=tag", "b=tag"], "COLUMN_TWICE"),
        (["tag", "b"], ["b=tag"], "COLUMN_TWICE"),
        (["tag", "Tag"], ["x=ignore"], "COLUMN_NOT_THERE"),
        (["tag", "Tag"], [], "COLUMN_TWICE"),
        (["Телефон", "Телефон"], ["Телефон=phone_number"], "COLUMN_TWICE"),
    ],
)
def test_columns_that_contradict(headers: list[str], entries: list[str], code: str) -> None:
    with pytest.raises(Unfit) as caught:
        columns_of(headers, plan_of(entries), 7)
    assert (caught.value.fault.code, caught.value.fault.arguments["line"]) == (code, "7")


@pytest.mark.parametrize(
    ("headers", "names", "found"),
    [
        ("Телефон|Телефон|Имя", "Телефон|Телефон (2)|Имя", "phone_number|attributes.telefon_2|attributes.name"),
        ("Телефон|Имя|имя ", "Телефон|Имя|имя (2)", "phone_number|attributes.name|attributes.imya_2"),
        ("Тег|тег|Тег 2", "Тег|тег (3)|Тег 2", "tag|attributes.teg_3|attributes.teg_2"),
        ("Цвет|Цвет|Цвет", "Цвет|Цвет (2)|Цвет (3)", "attributes.tsvet|attributes.tsvet_2|attributes.tsvet_3"),
        ("Телефон||", "Телефон||", f"phone_number|{IGNORE}|{IGNORE}"),
    ],
)
def test_whoever_sees_columns_that_are_called_the_same_tells_them_apart(headers: str, names: str, found: str) -> None:
    columns = columns_of(headers.split("|"), PROPOSE)
    assert [column.header for column in columns] == names.split("|")
    assert [column.field for column in columns] == found.split("|")
    # What was seen can be said: in another order of choices, by a panel, and by a program.
    said = parse_map(f"{header}={field}" for header, field in columns if field != IGNORE)
    for plan in (Plan(said, ignores_rest=True), Plan(said, Unknown.IGNORE)):
        assert columns_of(headers.split("|"), plan) == columns


def test_all_of_which_nothing_is_said_can_be_ignored_even_what_is_known() -> None:
    plan = plan_of(["Телефон (2)=phone_number"])._replace(ignores_rest=True)
    assert fields("Телефон", "Имя", "Телефон", plan=plan) == [IGNORE, IGNORE, "phone_number"]


@pytest.mark.parametrize("known", ["", "Имя|Город"])
def test_no_more_attributes_are_proposed_than_a_client_can_have(known: str) -> None:
    assert ATTRIBUTES_MAX == ENTRIES_MAX
    found = fields("Телефон", *known.split("|"), *(f"Столбец {n}" for n in range(300)))
    assert sum(map(is_attribute, found)) == ENTRIES_MAX


@pytest.mark.parametrize("unknown", [Unknown.REFUSE, Unknown.IGNORE])
@pytest.mark.parametrize("attributes", [frozenset[str](), None])
@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ("Телефон", "Телефон", "phone_number"),
        ("Моб. телефон", "МОБ ТЕЛЕФОН ", "phone_number"),
        ("Тег", "тег", "tag"),
        ("Часовой пояс", "часовой_пояс", "time_zone"),
        ("Имя", "имя", "attributes.name"),
    ],
)
def test_two_columns_of_one_name_are_refused(
    first: str, second: str, field: str, attributes: frozenset[str] | None, unknown: Unknown
) -> None:
    is_unknown = unknown is Unknown.REFUSE and attributes is not None and is_attribute(field)
    with pytest.raises(Unfit) as caught:
        fields(first, "id", second, plan=Plan(unknown=unknown, attributes=attributes)._replace(said={"id": IGNORE}))
    assert caught.value.fault.code == ("COLUMN_UNKNOWN" if is_unknown else "COLUMN_TWICE")
    if not is_unknown:
        assert caught.value.fault.arguments["name"] == field


def test_the_stop_list_refuses_two_numbers_and_does_not_mind_two_names() -> None:
    assert fields("Телефон", "Имя", "Имя", "Цвет", "Цвет", plan=STOP_LIST)[0] == "phone_number"
    for name in ("Телефон", "Комментарий"):
        with pytest.raises(Unfit, match="twice"):
            fields("Телефон", name, name, plan=STOP_LIST)


HEADERS: Final = st.lists(
    st.text(max_size=60) | st.sampled_from(["Телефон", "Имя", "Город", "id", "ID", "Ц", "1"]), max_size=12
)


@given(HEADERS)
def test_any_header_has_fields_that_can_be_and_none_twice(headers: list[str]) -> None:
    found = fields(*headers)
    named = [field for field in found if field != IGNORE]
    assert len(set(named)) == len(named)
    assert all(field in COLUMNS or is_attribute(field) for field in named)
    assert len(found) == len(headers)


@given(st.text(max_size=100), st.sets(st.text("ab_2", max_size=3)))
def test_a_proposed_name_is_one_and_new(name: str, taken: set[str]) -> None:
    found = attribute_name(name, taken)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", found)
    assert found not in taken


@given(st.text(max_size=60))
def test_a_name_is_folded_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    assert fields("МОБИЛЬНЫЙ  номер", "b", plan=plan_of(["мобильный_номер=phone_number"])) == ["phone_number", IGNORE]
    with pytest.raises(Unfit, match=r"'тел'.*; the columns are 'Мобильный номер', 'b'$"):
        columns_of(["Мобильный номер", "", "b"], plan_of(["Тел=phone_number"]))
    with pytest.raises(Unfit, match=r"'c29', …$"):
        columns_of([f"c{at}" for at in range(100)], plan_of(["Тел=phone_number"]))
