"""How much background work is done at once: as much as nobody notices who has to wait for it."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 5_000
"""Clients. Fewer at once cost more each, for a transaction has its own cost."""
LONGEST: Final = 20_000
_AIM_US: Final = 50_000
"""Whoever changes clients waits for a chunk, and so does a new mailing."""
_GROWTH: Final = 2


def next_chunk(clients: int, took_us: int) -> int:
    """How many clients to look at in the next chunk, of which the last one had so many and took so long."""
    in_time = clients * _AIM_US // max(took_us, 1)
    return max(SHORTEST, min(in_time, clients * _GROWTH, LONGEST))
