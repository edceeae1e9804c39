"""What the store returns of the stop list: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.suppression import SuppressionReason


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing a client has done."""

    removed: int
    """Messages that are gone: they were pending."""
    kept: int
    """Messages that are final, and stay without client and number."""
    in_hand: int
    """Messages that an engine had just then: they go, or stay if their call has been made."""
    is_suppressed: bool
    """The number is on the stop list."""


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """A number on the stop list."""

    id: int
    phone_number: int
    reason: SuppressionReason
    note: str
    source: str
    create_us: int


@dataclass(frozen=True, slots=True)
class SuppressionQuery:
    """Which entries a list shows; ``None`` does not restrict."""

    phone_number: int | None = None
    reason: SuppressionReason | None = None
    phone_contains: str | None = None
    """Digits that the number contains."""
    search: str | None = None
    """What the note contains, in letters of either case."""
