"""What delivery must know of a provider, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.domain.segments import count_segments

FBRQ: Final = "fbrq"
"""The name, and the kind, of the provider of docs/behaviour.md, section 3."""


class RateUnit(StrEnum):
    """What a provider's rate counts."""

    MESSAGES = "messages"
    SEGMENTS = "segments"

    def tokens(self, text: str) -> int:
        """How many tokens of the rate a text takes."""
        return 1 if self is RateUnit.MESSAGES else max(1, count_segments(text).segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """One provider."""

    name: str
    """Unique; it is what people, metrics and the database know the provider by."""
    kind: str = FBRQ
    order: int = 0
    """The provider with the lowest number that is able to takes a message first; equal ones as the file has them."""
    rate: float = 0.0
    """Tokens a second, of all engines together; 0: no limit."""
    rate_unit: RateUnit = RateUnit.MESSAGES
    workers: int = 64
    """Calls at the same time, of one engine."""
    time_out_seconds: float = 10.0
    """How long a call may take."""
    prefixes: tuple[str, ...] = ()
    """It takes numbers that begin with one of these, digits such as ``7916``; empty: all."""
    senders: tuple[str, ...] = ()
    """The names that texts may come from; empty: none can be chosen."""
    price_per_segment: float | None = None
    """Money; ``None``: nobody has said."""
    failover: bool = True
    """A message that it certainly has not taken goes to the next provider at once. False: it is tried here again,
    for as long as this provider is there at all."""
    retired: bool = False
    """It gets nothing new: only what may have reached it already, and its receipts."""
