"""Time zones as people write them, understood as names of the tz database.

``МСК+2``, ``UTC+3``, ``+03:00``, «Омск», "Russian Standard Time". What could be two zones is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from engine.domain.windows_zones import WINDOWS_ZONES
from engine.domain.zone_cities import zone_of_city

_ELSEWHERE: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Names that mean something else on each machine."""

_OFFSET: Final = re.compile(r"(?:utc|gmt|z)?([+-])([0-9]{1,2})(?::?([0-5][0-9]))?")
_MOSCOW: Final = re.compile(r"(?:мск|msk|москва|moscow|московскоевремя)(?:([+-])([0-9]{1,2}))?")
_TWICE: Final = re.compile(
    r"(?P<name>[^()]+)\((?P<offset>[^()]+)\)|\((?P<first>[^()]+)\)(?P<names>[^()]+)"
    r"|(?P<city>[^(),]+),(?P<after>[^(),]*[0-9][^(),]*)"
)
"""``МСК+2 (UTC+5)``, ``Владивосток (МСК+7)``, ``Омск, МСК+3``; ``(UTC+03:00) Москва, Санкт-Петербург``, as Windows
displays it."""
_COUNTRIES: Final = "россия|рф|russia|казахстан|kazakhstan"
_COUNTRY: Final = re.compile(f"^(?:{_COUNTRIES}), |, (?:{_COUNTRIES})$")
_A_WINTER_YEAR: Final = 2026
"""Windows displays the offset without summer time."""
_MOSCOW_HOURS: Final = 3
_OF_MOSCOW: Final = {
    -1: "Europe/Kaliningrad", 0: "Europe/Moscow", 1: "Europe/Samara", 2: "Asia/Yekaterinburg", 3: "Asia/Omsk",
    4: "Asia/Krasnoyarsk", 5: "Asia/Irkutsk", 6: "Asia/Yakutsk", 7: "Asia/Vladivostok", 8: "Asia/Magadan",
    9: "Asia/Kamchatka",
}  # fmt: skip
"""Russian zones by their hours from Moscow's time; all of Russia keeps one time all year."""
_BETWEEN_HOURS: Final = {
    210: "Asia/Tehran", 270: "Asia/Kabul", 330: "Asia/Kolkata", 345: "Asia/Kathmandu", 390: "Asia/Yangon",
    525: "Australia/Eucla", 570: "Australia/Darwin",
}  # fmt: skip
"""Zones with one time all year, by minutes; the tz database has no names of such offsets."""
_REMEMBERED: Final = 1024
"""Files write few zones, each many times."""
_EAST_HOURS_MAX: Final = 14
_WEST_HOURS_MAX: Final = 12


def is_time_zone(name: str) -> bool:
    """Whether it is a name of the tz database."""
    return name in _names()


def time_zone_of(text: str) -> str | None:
    """Return the tz database's name of what somebody has written; ``None``: nothing, or more than one zone."""
    if text in _names():  # nearly every zone of an import
        return text
    return _written(text)


@cache
def _names() -> frozenset[str]:
    """The tz database's names, read once."""
    return frozenset(available_timezones() - _ELSEWHERE)


@lru_cache(_REMEMBERED)
def _written(text: str) -> str | None:
    folded = _folded(text)
    plain = folded.replace(" ", "")
    if both := _TWICE.fullmatch(folded):
        return _told_twice(
            both["name"] or both["names"] or both["city"], both["offset"] or both["first"] or both["after"]
        )
    if found := _MOSCOW.fullmatch(plain):
        return _OF_MOSCOW.get(_signed(found[1], found[2]))
    if (minutes := _minutes(plain)) is not None:
        return _of_minutes(minutes)
    return _called().get(folded) or zone_of_city(folded)


def _told_twice(names: str, offset: str) -> str | None:
    """The zone of the first of some cities, or of another offset, if all of them have this one in winter."""
    minutes = _minutes(offset.replace(" ", ""))
    zones = [_written(name) for name in names.split(",")]
    return zones[0] if all(zone and _winter_minutes(zone) == minutes for zone in zones) else None


def _winter_minutes(zone: str) -> int:
    offset = datetime(_A_WINTER_YEAR, 1, 15, tzinfo=ZoneInfo(zone)).utcoffset()
    assert offset is not None  # a zone of the database has one at any time
    return offset // timedelta(minutes=1)


def _folded(text: str) -> str:
    """In one case, with one kind of dash, blanks between words only."""
    plain = re.sub("[\u2010-\u2015\u2212]", "-", text.strip().casefold().replace("ё", "е"))
    plain = _COUNTRY.sub("", re.sub(r"\s+", " ", plain))
    return re.sub(r"^(?:г\. ?|город )", "", plain)


def _minutes(text: str) -> int | None:
    """Minutes east of Greenwich that a text without blanks names; ``None``: it names none."""
    if found := _MOSCOW.fullmatch(text):
        return (_MOSCOW_HOURS + _signed(found[1], found[2])) * 60
    if found := _OFFSET.fullmatch(text):
        sign, hours, minutes = found.groups()
        return _signed(sign, hours) * 60 + _signed(sign, minutes)
    return None


def _signed(sign: str | None, digits: str | None) -> int:
    return int(f"{sign}{digits or 0}") if sign else 0


def _of_minutes(minutes: int) -> str | None:
    """A zone with one time all year; of whole hours the database has names, with the sign that POSIX gives them."""
    hours, rest = divmod(minutes, 60)
    if rest:
        return _BETWEEN_HOURS.get(minutes)
    if hours == 0:
        return "UTC"
    return f"Etc/GMT{-hours:+d}" if -_WEST_HOURS_MAX <= hours <= _EAST_HOURS_MAX else None


@cache
def _called() -> Mapping[str, str]:
    """Zones by everything else that they are called, folded: the database's names in any case and the cities in them,
    and Windows' names."""
    names = _names()
    cities: dict[str, set[str]] = {}
    for name in names:
        area, _, city = name.rpartition("/")
        if area and not area.startswith(("Etc", "SystemV")):
            cities.setdefault(_folded(city.replace("_", " ")), set()).add(name)
    called = {city: each.pop() for city, each in cities.items() if len(each) == 1}
    called |= {_folded(name): zone for name, zone in WINDOWS_ZONES.items()}
    return called | {_folded(name): name for name in names}
