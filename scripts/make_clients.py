#!/usr/bin/env python3
"""Make sample clients: a CSV of Russian mobile numbers that is the same for the same seed.

    python scripts/make_clients.py --count 10000 --seed 1 --output clients.csv

Columns: phone_number, phone_code, tag, time_zone. The numbers are made up (nobody was asked for one), yet look real:
operator codes in use, tags with a few frequent and a few rare ones, the eleven Russian time zones by population.
Needs the standard library only, and constant memory: numbers are unique by arithmetic, not by a set of seen ones.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

HEADER = "phone_number,phone_code,tag,time_zone"
MAX_COUNT = 50_000_000
CHUNK_ROWS = 10_000
SUBSCRIBERS = 10_000_000  # seven digits follow an operator code

# People by offset from UTC, in thousands (Rosstat, regions summed up, 2024, rounded).
ZONES: Mapping[str, int] = {
    "Europe/Kaliningrad": 1_030,
    "Europe/Moscow": 91_500,
    "Europe/Samara": 9_000,
    "Asia/Yekaterinburg": 20_600,
    "Asia/Omsk": 1_820,
    "Asia/Krasnoyarsk": 12_300,  # Novosibirsk, Tomsk, Kemerovo and Barnaul keep the same time
    "Asia/Irkutsk": 3_300,
    "Asia/Yakutsk": 2_600,
    "Asia/Vladivostok": 3_200,
    "Asia/Magadan": 600,
    "Asia/Kamchatka": 340,
}

# Operator (DEF) codes used in every region, with weights.
EVERYWHERE: Mapping[str, int] = {
    **dict.fromkeys(("903", "905", "906", "909"), 30),  # Beeline
    **dict.fromkeys(("960", "961", "962", "963", "964", "965", "966", "967", "968"), 12),  # Beeline
    **dict.fromkeys(("919", "978", "980", "981", "982", "983", "984", "985", "986", "987", "988", "989"), 8),  # MTS
    **dict.fromkeys(("929", "930", "931", "932", "933", "934", "936", "937", "938", "939"), 8),  # MegaFon
    **dict.fromkeys(("900", "901", "902", "904", "908", "950", "951", "952", "953"), 16),  # T2 (Tele2)
    **dict.fromkeys(("958", "991", "992", "993", "994"), 5),  # T2
    **dict.fromkeys(("995", "996", "999"), 9),  # Yota
}

# Codes at home in a few zones only: MTS 91x and MegaFon 92x were given out by region, 977 is T2 in Moscow.
_FAR_EAST = {"914": 150, "924": 120}
BY_ZONE: Mapping[str, Mapping[str, int]] = {
    "Europe/Kaliningrad": {"911": 110, "921": 90},
    "Europe/Moscow": {
        **dict.fromkeys(("910", "911", "917", "918", "920", "921", "928", "977"), 39),
        **dict.fromkeys(("915", "916", "925", "926"), 58),
    },
    "Europe/Samara": {"917": 130, "927": 120},
    "Asia/Yekaterinburg": {"912": 120, "922": 120},
    "Asia/Omsk": {"913": 130, "923": 100},
    "Asia/Krasnoyarsk": {"913": 140, "923": 110},
    "Asia/Irkutsk": _FAR_EAST,
    "Asia/Yakutsk": _FAR_EAST,
    "Asia/Vladivostok": _FAR_EAST,
    "Asia/Magadan": _FAR_EAST,
    "Asia/Kamchatka": _FAR_EAST,
}

TAGS: Mapping[str, int] = {
    "regular": 360,
    "new": 190,
    "sleeping": 150,
    "student": 90,
    "pensioner": 80,
    "vip": 35,
    "corporate": 20,
    "staff": 5,
    "": 70,
}


class Numbers:
    """Subscriber numbers of one operator code: all of 0000000..9999999 in an order that looks random, none twice.

    `a*n + c*n*n + b` mod 10**7 visits every number once when a is coprime to 10 and c divisible by 10
    (a permutation polynomial: its derivative is a unit modulo 2 and modulo 5).
    """

    def __init__(self, code: str, rng: random.Random) -> None:
        self.code = code
        self._a = rng.randrange(SUBSCRIBERS // 10) * 10 + rng.choice((1, 3, 7, 9))
        self._b = rng.randrange(SUBSCRIBERS)
        self._c = rng.randrange(1, SUBSCRIBERS // 10) * 10
        self._n = 0

    def take(self) -> int:
        """The next number, 0..9999999. Raises OverflowError when the code has none left."""
        n = self._n
        if n >= SUBSCRIBERS:
            raise OverflowError(f"operator code {self.code} has no numbers left")
        self._n = n + 1
        return ((self._a + self._c * n) * n + self._b) % SUBSCRIBERS


def rows(count: int, seed: int) -> Iterator[str]:
    """Yield `count` CSV lines with no line end, the same ones for the same seed; more rows only add to the end."""
    rng = random.Random(seed)  # the same sequence on every platform and Python since 3.2 (random.seed version 2)
    codes = sorted(set(EVERYWHERE).union(*BY_ZONE.values()))
    numbers = {code: Numbers(code, rng) for code in codes}
    by_zone = {zone: _weighted({**EVERYWHERE, **BY_ZONE[zone]}) for zone in ZONES}
    zones, tags = _weighted(ZONES), _weighted(TAGS)
    draw = rng.random
    for _ in range(count):
        zone = _pick(zones, draw())
        code = _pick(by_zone[zone], draw())
        yield f"7{code}{numbers[code].take():07d},{code},{_pick(tags, draw())},{zone}"


def _weighted(weights: Mapping[str, int]) -> tuple[Sequence[str], Sequence[float]]:
    total = sum(weights.values())
    return tuple(weights), tuple(edge / total for edge in itertools.accumulate(weights.values()))


def _pick(choice: tuple[Sequence[str], Sequence[float]], point: float) -> str:
    names, edges = choice
    return names[bisect(edges, point)]  # the last edge is exactly 1.0, and point is below it


def write(out: TextIO, count: int, seed: int) -> None:
    """Write the header and the rows to `out`, some thousand rows at a time."""
    out.write(HEADER + "\n")
    lines = rows(count, seed)
    while chunk := list(itertools.islice(lines, CHUNK_ROWS)):
        out.write("\n".join(chunk) + "\n")


def _count(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= value <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MAX_COUNT}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0, or 1 when the output cannot be written)."""
    parser = argparse.ArgumentParser(description="Make sample clients as CSV, the same ones for the same seed.")
    parser.add_argument("--count", type=_count, default=10_000, help="rows to make (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same rows (default 1)")
    parser.add_argument("--output", default="-", metavar="FILE", help="file to write, - for standard output (default)")
    options = parser.parse_args(argv)
    try:
        if options.output == "-":
            write(sys.stdout, options.count, options.seed)
            sys.stdout.flush()
        else:
            with open(options.output, "w", encoding="utf-8", newline="\n") as out:
                write(out, options.count, options.seed)
    except BrokenPipeError:  # `… | head`: the reader has had enough, which is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"cannot write {options.output}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
