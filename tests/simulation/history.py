"""What a thing was when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

NEVER_US = 2**62
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span(Generic[T]):
    """What a thing may have been, from when it was asked for to when the next edit had returned."""

    value: T
    since_us: int
    until_us: int


class History(Generic[T]):
    """What a thing was when; while an edit is under way (or if a crash cut it off) it may be both old and new."""

    def __init__(self, value: T, since_us: int) -> None:
        self._values = [(since_us, value)]
        self._ends_us = [NEVER_US]

    def asked(self, value: T, at_us: int) -> None:
        """From now on it may be ``value``."""
        self._values.append((at_us, value))
        self._ends_us.append(NEVER_US)

    def returned(self, at_us: int) -> None:
        """From now on it is nothing else."""
        self._ends_us[:-1] = [min(end_us, at_us) for end_us in self._ends_us[:-1]]

    def at(self, at_us: int) -> list[T]:
        """What it may have been then."""
        spans = zip(self._values, self._ends_us, strict=True)
        return [value for (since_us, value), until_us in spans if since_us <= at_us <= until_us]

    def between(self, first_us: int, last_us: int) -> list[T]:
        """What it may have been at any moment of that time."""
        spans = zip(self._values, self._ends_us, strict=True)
        return [value for (since_us, value), until_us in spans if since_us <= last_us and first_us <= until_us]

    def until(self, at_us: int) -> list[Span[T]]:
        """What was asked for by then, in this order."""
        spans = zip(self._values, self._ends_us, strict=True)
        return [Span(value, since_us, until_us) for (since_us, value), until_us in spans if since_us <= at_us]

    @property
    def settled_us(self) -> int:
        """When the last edit had returned; ``NEVER_US``: it has not. 0: there was none."""
        return self._ends_us[-2] if len(self._ends_us) > 1 else 0

    @property
    def changed_us(self) -> int:
        """When the last edit was asked for."""
        return self._values[-1][0]
