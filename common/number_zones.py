"""Time zones by the code of a phone number, where the numbering plan tells one.

A code of the Russian plan that begins with 3, 4 or 8 belongs to a region, and nearly every region keeps one time. One
that begins with 9 belongs to mobile operators, whose numbers stand for places in several zones, and move with people:
it tells nothing. What begins with 7 is Kazakhstan, which has kept one time since March 2024.

The table of libphonenumber was looked at and not taken: to it each mobile number is in Moscow, Kaliningrad in
Bucharest and Saratov an hour behind itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MOSCOW: Final = (
    "471 472 473 474 475 481 482 483 484 485 486 487 491 492 493 494 495 496 498 499 811 812 813 814 815 816 817 818"
    " 820 821 831 834 835 836 841 843 847 855 861 862 863 865 866 867 871 872 873 877 878 879"
)
_CODES: Final[Mapping[str, str]] = {
    "Europe/Kaliningrad": "401",
    "Europe/Moscow": _MOSCOW,
    "Europe/Simferopol": "365 869",
    "Europe/Kirov": "833",
    "Europe/Volgograd": "844",
    "Europe/Astrakhan": "851",
    "Europe/Samara": "341 846 848",
    "Europe/Saratov": "845",
    "Europe/Ulyanovsk": "842",
    "Asia/Yekaterinburg": "342 343 345 346 347 349 351 352 353",
    "Asia/Omsk": "381",
    "Asia/Barnaul": "385 388",
    "Asia/Krasnoyarsk": "390 391 394",
    "Asia/Novokuznetsk": "384",
    "Asia/Novosibirsk": "383",
    "Asia/Tomsk": "382",
    "Asia/Irkutsk": "301 395",
    "Asia/Chita": "302",
    "Asia/Yakutsk": "416",
    "Asia/Vladivostok": "421 423 426",
    "Asia/Magadan": "413",
    "Asia/Sakhalin": "424",
    "Asia/Kamchatka": "415",
    "Asia/Anadyr": "427",
}
"""Codes of regions by their zones. Yakutia (411) keeps three times, and 336 is a city that two countries share."""
_ZONE_OF: Final = {code: zone for zone, codes in _CODES.items() for code in codes.split()}
_KAZAKHSTAN: Final = "7"


def zone_of_number(phone_number: str) -> str | None:
    """Return the tz database's name of the zone in which a number surely is, written as ``7XXXXXXXXXX``; ``None``: its
    code does not tell."""
    code = phone_number[1:4]
    return "Asia/Almaty" if code.startswith(_KAZAKHSTAN) else _ZONE_OF.get(code)
