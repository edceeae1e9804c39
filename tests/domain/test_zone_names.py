"""Time zones as people write them: each kind, and that what is understood is the time that was meant."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.windows_zones import WINDOWS_ZONES
from engine.domain.zone_cities import _ZONES, _sound
from engine.domain.zone_names import _OF_MOSCOW, is_time_zone, time_zone_of

SUMMER, WINTER = datetime(2026, 7, 1), datetime(2026, 1, 1)


def hours_east(zone: str) -> set[float]:
    """What the zone's clocks are ahead of Greenwich, in summer and in winter."""
    found = (ZoneInfo(zone).utcoffset(day) for day in (SUMMER, WINTER))
    return {offset / timedelta(hours=1) for offset in found if offset is not None}


@pytest.mark.parametrize(
    ("zone", "texts"),
    [
        ("Europe/Moscow", "МСК|мск|MSK|Москва|г. Москва|город Москва|МСК+0|Europe/Moscow|europe/moscow"),
        (
            "Europe/Moscow",
            "Moscow|СПб|Орёл|орел",
        ),
        ("Asia/Yekaterinburg", "МСК+2|мск +2|MSK+2|МСК+2 (UTC+5)|МСК+02|Екатеринбург|Ekaterinburg Standard Time"),
        ("Europe/Kaliningrad", "МСК-1|МСК\u22121|МСК–1|Калининград"),
        ("Asia/Omsk", "Омск|ОМСК|  омск |Omsk|omsk|Asia/Omsk|Omsk Standard Time"),
        ("Etc/GMT-3", "UTC+3|utc+03|GMT+3|+03:00|+0300|+3|UTC +03:00|Etc/GMT-3"),
        ("Etc/GMT+3", "UTC-3|UTC−3|-03:00|GMT-3|Etc/GMT+3"),
        ("Etc/GMT-14", "+14|UTC+14:00"),
        ("Etc/GMT+12", "-12"),
        ("UTC", "UTC|utc|+00:00|UTC+0|-0|UTC-00:00"),
        ("Asia/Kolkata", "+05:30|UTC+5:30"),
        ("Asia/Kathmandu", "+05:45"),
        ("Europe/Moscow", "Russian Standard Time|russian standard time"),
        ("America/New_York", "New York|Eastern Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        (
            "Europe/Moscow",
            "(UTC+03:00) Москва, Санкт-Петербург|(UTC+3) Москва|Московское время|московское время (UTC+3)",
        ),
        ("Europe/Samara", "(UTC+04:00) Ижевск, Самара|Самара (МСК+1)"),
        ("Asia/Barnaul", "(UTC+07:00) Барнаул, Горно-Алтайск"),
        ("Asia/Anadyr", "(UTC+12:00) Анадырь, Петропавловск-Камчатский"),
        ("Asia/Vladivostok", "Владивосток (МСК+7)|г. Владивосток (UTC+10)|(МСК+7) Владивосток|МСК+7 (UTC+10)"),
        ("Europe/Berlin", "(UTC+01:00) Berlin, Vienna"),
        ("Europe/Moscow", "Ростов-на-Дону|ростов на дону|Rostov-on-Don|Нижний  Новгород|Н.Новгород|Nizhny Novgorod"),
        ("Europe/Moscow", "Kazan|Сочи|Sochi|St. Petersburg|Saint-Petersburg|Moscow, Russia|Россия, Казань"),
        ("Asia/Yekaterinburg", "Perm|Ekaterinburg|Yekaterinburg|Ufa|Сургут|Екатеринбург, МСК+2|Уфа, UTC+5"),
        ("Asia/Almaty", "Алматы|Almaty|Казахстан, Астана"),
    ],
)
def test_what_people_write(zone: str, texts: str) -> None:
    assert {text: time_zone_of(text) for text in texts.split("|")} == dict.fromkeys(texts.split("|"), zone)


@pytest.mark.parametrize(
    "text",
    ["", " ", "3", "МСК+10", "МСК-2", "+15", "-13", "+03:10", "+02:90", "МСК+2 (UTC+4)", "МСК (", "Mars", "локальное",
     "localtime", "Factory", "UTC+3+3", "++3", "Etc/GMT+20", "3 часа", "(UTC+3)", "Standard Time", "МСК+2 (Омск)",
     "Омск (МСК+2)", "(UTC+03:00) Омск", "(UTC+03:00) Москва, Омск", "(UTC+03:00) Москва, Нигде", "(UTC+03:00) ,",
     "(Омск) МСК", "()x"],
)  # fmt: skip
def test_what_is_no_zone_or_more_than_one_is_none(text: str) -> None:
    assert time_zone_of(text) is None


@given(st.sampled_from(sorted(available_timezones() - {"localtime", "posixrules", "Factory"})))
def test_a_name_of_the_database_is_itself_in_any_case(name: str) -> None:
    assert is_time_zone(name)
    assert time_zone_of(name) == name
    assert hours_east(time_zone_of(f" {name.upper()} ") or "") == hours_east(name)


@given(st.integers(-12, 14))
def test_an_offset_is_that_offset_all_year(hours: int) -> None:
    for text in (f"UTC{hours:+d}", f"{hours:+03d}:00", f"GMT{hours:+d}"):
        assert hours_east(time_zone_of(text) or "") == {hours}


def test_hours_from_moscow_are_those_hours_all_year() -> None:
    for hours, zone in _OF_MOSCOW.items():
        assert hours_east(zone) == {3 + hours}
        assert time_zone_of(f"МСК{hours:+d} (UTC{3 + hours:+d})") == zone


@pytest.mark.parametrize("minutes", [210, 270, 330, 345, 390, 525, 570])
def test_offsets_between_the_hours_are_theirs_all_year(minutes: int) -> None:
    text = f"+{minutes // 60:02d}:{minutes % 60:02d}"
    assert hours_east(time_zone_of(text) or "") == {minutes / 60}


def test_the_tables_name_zones_that_exist_and_each_city_once() -> None:
    zones = {city: zone for zone, cities in _ZONES.items() for city in cities.split(", ")}
    assert len(zones) == sum(len(cities.split(", ")) for cities in _ZONES.values())
    assert all(is_time_zone(zone) for zone in (*_ZONES, *WINDOWS_ZONES.values()))
    assert {city: time_zone_of(city) for city in zones} == zones
    # Nobody in Russia or Kazakhstan puts a clock forward.
    assert all(len(hours_east(zone)) == 1 for zone in _ZONES)
    # Of two cities that sound alike nobody knows which one is meant.
    by_sound: dict[str, set[str]] = {}
    for city, zone in zones.items():
        by_sound.setdefault(_sound(city), set()).add(zone)
    assert all(len(each) == 1 for each in by_sound.values())


@pytest.mark.parametrize("text", ["Perm2", "Omsk/Tomsk", "Омск, МСК+5", "Омск, Томск", "Марс", "-", "'", "3", "Россия"])
def test_what_may_be_another_place_is_none(text: str) -> None:
    assert time_zone_of(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_zone_that_exists_or_none(text: str) -> None:
    found = time_zone_of(text)
    assert found is None or is_time_zone(found)
