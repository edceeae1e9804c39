"""What a bench has found, for people at once and as JSON for the page: docs/performance.md is made of these files.

A bench calls ``add_flags`` and ``publish``. With ``--save`` the result goes to docs/performance/, and
``python scripts/bench/report.py`` writes the page anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "docs" / "performance"
_QUIET_LOAD: Final = 0.3
"""A machine whose queue has been longer than this, on the average of a minute before, was not ours alone."""

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts and numbers below names of columns; ``None``: was not measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart: for each group a bar a series, on a logarithmic axis."""

    title: str
    unit: str
    groups: Sequence[str]
    series: dict[str, Sequence[float | None]]
    """By the name of the series: a number for each group."""


def machine() -> str:
    """What it ran on, in words."""
    found = re.search(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    release = re.search(r'^PRETTY_NAME="(.*)"$', _read("/etc/os-release"), re.MULTILINE)
    parts = [
        f"{os.cpu_count()} cores" + (f" of {found.group(1)}" if found else ""),
        *([f"{int(memory.group(1)) / 2**20:.0f} GiB"] if memory else []),
        release.group(1) if release else platform.system(),
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts)


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


def _command() -> str:
    script = Path(sys.argv[0]).resolve()
    name = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name
    return shlex.join(["python", str(name), *sys.argv[1:]])


@dataclass(slots=True)
class Result:
    """What one run of a bench has found, and where."""

    name: str
    """Of the bench, of the file, and of the mark in the page."""
    tables: list[Table] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader must know, a sentence each."""
    command: str = field(default_factory=_command)
    began: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    machine: str = field(default_factory=machine)
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """How many processes were running or waiting, on the average of the minute before."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flag that all benches with a result have."""
    parser.add_argument("--save", action="store_true", help="for docs/performance.md (scripts/bench/report.py)")


def publish(result: Result, arguments: argparse.Namespace) -> None:
    """Print the tables, and keep them if that was asked for."""
    for table in result.tables:
        print(f"\n{table.title}\n")
        print("\n".join(lines(table)))
    for note in [*result.notes, *warnings(result)]:
        print(f"\n{note}")
    if arguments.save:
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps(asdict(result), ensure_ascii=False, indent=1)
        (FOLDER / f"{result.name}.json").write_text(text + "\n", encoding="utf-8")


def loaded(path: Path) -> Result:
    """What ``publish`` has kept."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    tables = [Table(**each) for each in raw.pop("tables")]
    bars = [Bars(**each) for each in raw.pop("bars")]
    return Result(**raw, tables=tables, bars=bars)


def warnings(result: Result) -> list[str]:
    """What tells a reader not to trust the numbers as they are."""
    if result.load <= _QUIET_LOAD:
        return []
    found = f"The machine was not quiet: {result.load:.1f} processes ran or waited before it began."
    return [f"{found} Only ratios mean something."]


def lines(table: Table) -> list[str]:
    """A table of Markdown, its columns of equal width."""
    rows = [[str(name) for name in table.columns], *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    made = ["| " + " | ".join(_padded(row, widths)) + " |" for row in rows]
    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)) + "|"
    )
    return [made[0], rule, *made[1:]]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column == 0 else cell.rjust(width)


def shown(cell: Cell) -> str:
    """A number with three digits that count, thousands apart."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if abs(cell) >= 100 or cell == int(cell) else f"{cell:.3g}"


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores(sender: int) -> tuple[frozenset[int], frozenset[int]]:
    """The core of what is measured, and those of everything else."""
    own = frozenset({sender})
    return own, frozenset(os.sched_getaffinity(0)) - own or own
