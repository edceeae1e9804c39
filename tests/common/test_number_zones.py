"""Time zones by codes of numbers: a region's own, nothing where there is more than one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.number_zones import _ZONE_OF, zone_of_number
from engine.domain.zone_names import is_time_zone, time_zone_of


@pytest.mark.parametrize(
    ("code", "capital"),
    [("381", "Омск"), ("495", "Москва"), ("812", "Санкт-Петербург"), ("401", "Калининград"), ("845", "Саратов"),
     ("343", "Екатеринбург"), ("423", "Владивосток"), ("384", "Кемерово"), ("846", "Самара"), ("865", "Ставрополь"),
     ("395", "Иркутск"), ("365", "Симферополь"), ("427", "Анадырь"), ("851", "Астрахань"), ("302", "Чита")],
)  # fmt: skip
def test_a_regions_code_is_in_the_zone_of_its_capital(code: str, capital: str) -> None:
    assert zone_of_number(f"7{code}1234567") == time_zone_of(capital)


@given(st.from_regex(r"7(9[0-9]{2}|411|336|800|840)[0-9]{7}", fullmatch=True))
def test_mobile_numbers_of_russia_and_codes_of_several_zones_tell_nothing(phone_number: str) -> None:
    assert zone_of_number(phone_number) is None


def test_kazakhstan_keeps_one_time() -> None:
    assert {zone_of_number(f"77{code:02}1234567") for code in range(100)} == {"Asia/Almaty"}


def test_each_zone_is_known() -> None:
    assert all(map(is_time_zone, _ZONE_OF.values()))
    assert {len(code) for code in _ZONE_OF} == {3}
    assert not {code for code in _ZONE_OF if code[0] not in "348"}
