"""Switches: frozen values that are changed by JSON, each checked by the reader of its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

SECONDS_MAX: Final = 600.0
Reader = Callable[[object], object]
S = TypeVar("S")


class BadSwitches(ValueError):
    """A change that makes no sense; ``errors`` has a line for each field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


def changed(switches: S, changes: Mapping[str, object], readers: Mapping[str, Reader]) -> S:
    """Return a copy with ``changes`` as they come out of JSON.

    Raises:
        BadSwitches: unknown names or values, all of them at once.
    """
    errors: dict[str, str] = {}
    values: dict[str, object] = {}
    for name, value in changes.items():
        try:
            values[name] = readers[name](value)
        except KeyError:
            errors[name] = f"unknown; known are {', '.join(readers)}"
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise BadSwitches(errors)
    dataclass: Any = switches
    result: S = replace(dataclass, **values)
    return result


def check_shares(shares: tuple[float, ...]) -> None:
    """Raise ``BadSwitches`` when shares that exclude each other are more than the whole."""
    if (total := sum(shares)) > 1 + 1e-9:
        raise BadSwitches({"share_*": f"the shares add up to {total:g}, which is more than 1"})


def draw(seed: int, message_id: int, nth: int) -> float:
    """A number in [0, 1) that looks random and is the same for the same arguments (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + message_id * 0xD1B54A32D192ED03 + nth * 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((x ^ (x >> 31)) >> 11) / (1 << 53)


def number(value: object, largest: float) -> float:
    """Read a number from 0 to the largest."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
        raise ValueError(f"should be a number from 0 to {largest:g}")
    return float(value)


def share(value: object) -> float:
    """Read a share of the whole."""
    return number(value, 1)


def seconds_range(value: object) -> tuple[float, float]:
    """Read seconds, or a pair of the shortest and the longest."""
    pair = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(pair) != 2:
        raise ValueError("should be a number of seconds, or [shortest, longest]")
    shortest, longest = (number(item, SECONDS_MAX) for item in pair)
    if shortest > longest:
        raise ValueError("the shortest should not be above the longest")
    return shortest, longest


def range_as_json(pair: tuple[float, float]) -> float | list[float]:
    """What ``seconds_range`` reads."""
    shortest, longest = pair
    return shortest if shortest == longest else [shortest, longest]


def one_of(*allowed: object) -> Reader:
    """A reader of these values only."""

    def read(value: object) -> object:
        if not any(value is known or (type(value) is type(known) and value == known) for known in allowed):
            raise ValueError(f"should be one of {', '.join(json.dumps(value) for value in allowed)}")
        return value

    return read
