"""Write the tables and charts of docs/performance.md and docs/scale.md out of what the benches have kept in
docs/performance/.

    python scripts/bench/report.py [--check]

``--check`` only says whether the page and its charts are as they would be written. A bench keeps its result with
``--save``; the words between the tables are written by hand.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, from any folder

from scripts.bench import arithmetic
from scripts.bench.results import FOLDER, Bars, Result, Table, lines, loaded, shown, warnings

PAGES: Final = (FOLDER.with_suffix(".md"), FOLDER.with_name("scale.md"))
_MARK: Final = re.compile(r"<!-- (\w+):begin -->\n.*?<!-- \1:end -->", re.DOTALL)
_NOT_YET: Final = "It has not been run here yet."
_LABEL_WIDTH: Final = 150
_BAR_WIDTH: Final = 460
_NUMBER_WIDTH: Final = 90
_ROW_HEIGHT: Final = 18
_GROUP_HEIGHT: Final = 26
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#24292f}.g{font-weight:bold}rect{fill:#8c959f}.o{fill:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.o{fill:#58a6ff}}"
)


def svg(bars: Bars) -> str:
    """A chart of horizontal bars on a logarithmic axis: twice as long is the square, not twice as much."""
    numbers = [number for series in bars.series.values() for number in series if number]
    low, high = 10 ** math.floor(math.log10(min(numbers))), max(numbers)
    drawn, y = list[str](), 16
    for place, group in enumerate(bars.groups):
        drawn.append(f'<text class="g" x="0" y="{y}">{escape(group)}</text>')
        for name, series in bars.series.items():
            if number := series[place]:
                y += _ROW_HEIGHT
                drawn += _bar(name, number, y, math.log(number / low) / math.log(high / low) if high > low else 1.0)
        y += _GROUP_HEIGHT
    width = _LABEL_WIDTH + _BAR_WIDTH + _NUMBER_WIDTH
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" '
        f'aria-label="{escape(bars.title)}"><style>{_STYLE}</style>'
    )
    return "\n".join([head, *drawn, "</svg>", ""])


def _bar(name: str, number: float, y: int, share: float) -> Iterator[str]:
    length, kind = max(2.0, share * _BAR_WIDTH), ' class="o"' if name.startswith("ours") else ""
    yield f'<text x="{_LABEL_WIDTH - 8}" y="{y}" text-anchor="end">{escape(name)}</text>'
    yield f'<rect{kind} x="{_LABEL_WIDTH}" y="{y - 11}" width="{length:.0f}" height="13"/>'
    yield f'<text x="{_LABEL_WIDTH + length + 6:.0f}" y="{y}">{shown(number)}</text>'


def charts(result: Result) -> dict[str, str]:
    """The names of its files with what is in them."""
    return {f"{result.name}-{number}.svg": svg(bars) for number, bars in enumerate(result.bars, 1)}


def part(result: Result) -> str:
    """What stands in the page for a result."""
    said = [f"`{result.command}`, {result.began}, {result.machine}.", *result.notes, *warnings(result)]
    found = [" ".join(said), *_shown(result.tables)]
    for (name, _), bars in zip(charts(result).items(), result.bars, strict=True):
        found.append(f"![{bars.title}, on a logarithmic axis]({FOLDER.name}/{name})")
    return "\n\n".join(found)


def _shown(tables: Sequence[Table]) -> list[str]:
    return [text for table in tables for text in (f"**{table.title}**", "\n".join(lines(table)))]


def page(text: str, parts: Mapping[str, str]) -> str:
    """The page with a part between each pair of marks, ``<!-- name:begin -->`` and ``<!-- name:end -->``."""

    def filled(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- {name}:begin -->\n{parts.get(name) or _NOT_YET}\n<!-- {name}:end -->"

    return _MARK.sub(filled, text)


def written() -> dict[Path, str]:
    """What each file is to hold."""
    results = {path.stem: loaded(path) for path in sorted(FOLDER.glob("*.json"))}
    parts = {name: part(result) for name, result in results.items()}
    parts["arithmetic"] = "\n\n".join(_shown(arithmetic.tables(results)))
    files = {FOLDER / name: chart for result in results.values() for name, chart in charts(result).items()}
    return {**{path: page(path.read_text(encoding="utf-8"), parts) for path in PAGES}, **files}


def main() -> int:
    """Write or check; returns the exit code."""
    files = written()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" not in sys.argv[1:]:
        for path in stale:
            path.write_text(files[path], encoding="utf-8")
        return 0
    for path in stale:
        print(f"{path} is out of date: run python scripts/bench/report.py", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
