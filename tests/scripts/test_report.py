"""The page of results: made of what the benches have kept, and of nothing else."""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.bench import arithmetic, report, results

RESULT = results.Result(
    "senders",
    [results.Table("At 0 ms", ("who", "messages/s"), [("ours", 12_345.6), ("other <b>", None), ("slow", 0.1234)])],
    [results.Bars("Speed", "messages/s", ["0 ms", "20 ms"], {"ours": [1000.0, 100.0], "other <b>": [10.0, None]})],
    ["A note."],
    command="python x.py",
    began="2026-11-30 08:00 UTC",
    machine="2 cores",
    load=0.0,
)


def test_page_is_what_the_results_make_of_it() -> None:
    """Run scripts/bench/report.py when this fails."""
    stale = {path.name for path, text in report.written().items() if path.read_text(encoding="utf-8") != text}
    assert stale == set()


def test_part_has_its_command_machine_date_and_numbers() -> None:
    made = report.part(RESULT)
    assert "`python x.py`, 2026-11-30 08:00 UTC, 2 cores. A note." in made
    assert "| ours      |     12,346 |\n| other <b> |            |\n| slow      |      0.123 |" in made
    assert "](performance/senders-1.svg)" in made


def test_page_keeps_its_words_and_says_what_is_missing() -> None:
    text = "a\n<!-- senders:begin -->\nold\n<!-- senders:end -->\nb\n<!-- scale:begin -->\n<!-- scale:end -->\nc\n"
    made = report.page(text, {"senders": "new"})
    assert report.page(made, {"senders": "new"}) == made
    assert made.startswith("a\n<!-- senders:begin -->\nnew\n<!-- senders:end -->\nb\n")
    assert made.endswith("\nb\n<!-- scale:begin -->\nIt has not been run here yet.\n<!-- scale:end -->\nc\n")


def test_needs_follow_from_the_costs() -> None:
    sent = results.Table("", ("who", "messages/s", "own us"), [("other", 1.0, 900.0), ("ours", 2.0, 60.0)])
    columns = ("processes", "database us", "bytes kept", "bytes of WAL")
    stored = results.Table("", columns, [("1", 40.0, 500.0, 1000.0), ("2", 1.0, 1.0, 1.0)])
    found = {name: results.Result(name, [table]) for name, table in (("senders", sent), ("scale", stored))}
    _, needs = arithmetic.tables(found)
    by_name = {str(row[0]): row[1:] for row in needs.rows}
    rate = 1e9 / 36_000
    assert by_name["messages a second"][-1] == pytest.approx(rate)
    assert by_name["cores for engines"][-1] == pytest.approx(rate * 60e-6)
    assert by_name["cores for PostgreSQL"][-1] == pytest.approx(rate * 40e-6)
    assert by_name["disk, GB a day"] == pytest.approx((0.5, 5, 50, 500))
    assert arithmetic.tables({"senders": found["senders"]}) == []


def test_chart_is_drawn_to_a_logarithmic_scale() -> None:
    root = ET.fromstring(report.svg(RESULT.bars[0]))
    widths = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths == [460, 2, 230]  # of 1000, 10 and 100, from 10 on; what was not measured has no bar


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (2.0, True)])
def test_loaded_machine_is_named(load: float, warned: bool) -> None:
    found = results.Result("x", command="c", began="b", machine="m", load=load)
    assert ("not quiet" in report.part(found)) == warned


def test_kept_result_is_read_back_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path / "performance")
    results.publish(RESULT, argparse.Namespace(save=True))
    path = tmp_path / "performance" / "senders.json"
    found = results.loaded(path)
    assert report.part(found) == report.part(RESULT)
    assert json.loads(path.read_text())["load"] == 0.0
    assert "12,346" in capsys.readouterr().out
