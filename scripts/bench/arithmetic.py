"""What so many messages a day need, by what a message was measured to cost; for docs/scale.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from scripts.bench.results import Cell, Result, Table

MESSAGES_A_DAY: Final = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
HOURS: Final = 10
"""Of a day in which people may be sent texts."""
PROVIDER_SECONDS: Final = 0.2
ROWS_A_SECOND: Final = 104_000
"""Of an audience, made by one connection of PostgreSQL (docs/measured.md)."""
_ROWS: Final[Mapping[str, Callable[[int, Mapping[str, float]], float]]] = {
    "messages a second": lambda n, _: n / HOURS / 3_600,
    "calls in flight": lambda n, _: n / HOURS / 3_600 * PROVIDER_SECONDS,
    "cores for engines": lambda n, costs: n / HOURS / 3_600 * costs["engine us"] / 1e6,
    "cores for PostgreSQL": lambda n, costs: n / HOURS / 3_600 * costs["database us"] / 1e6,
    "WAL, MB a second": lambda n, costs: n / HOURS / 3_600 * costs["bytes of WAL"] / 1e6,
    "rows made, minutes of one connection": lambda n, _: n / ROWS_A_SECOND / 60,
    "disk, GB a day": lambda n, costs: n * costs["bytes kept"] / 1e9,
}


def costs_of(results: Mapping[str, Result]) -> dict[str, float] | None:
    """What a message costs, by ``senders.py`` (the engine on PostgreSQL, a provider that answers at once) and
    ``scale.py`` (one process that claims and stores); ``None``: one of the two has not been run."""
    if not {"senders", "scale"} <= results.keys():
        return None
    sent, stored = results["senders"].tables[0], results["scale"].tables[-1]
    first = str(stored.rows[0][0])
    names = ("database us", "bytes kept", "bytes of WAL")
    return {"engine us": _cell(sent, "ours", "own us"), **{name: _cell(stored, first, name) for name in names}}


def _cell(table: Table, row: str, column: str) -> float:
    (found,) = [cells for cells in table.rows if cells[0] == row]
    return float(found[list(table.columns).index(column)] or 0)


def tables(results: Mapping[str, Result]) -> list[Table]:
    """The costs, and what follows from them; none when they are not known."""
    costs = costs_of(results)
    if costs is None:
        return []
    columns = ("", *(f"{n:,}" for n in MESSAGES_A_DAY))
    rows: list[Sequence[Cell]] = [(name, *(made(n, costs) for n in MESSAGES_A_DAY)) for name, made in _ROWS.items()]
    return [
        Table("What a message costs", ("", "measured"), list(costs.items())),
        Table(f"What so many messages a day need, in {HOURS} hours, at {PROVIDER_SECONDS} s a call", columns, rows),
    ]
