"""scripts/make_clients.py: the same seed makes the same clients, all different, all plausible."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.tables.csv_rows import COLUMNS, ImportRow, read_rows
from scripts import make_clients
from tests.patience import PATIENT_SECONDS

SCRIPT = Path(make_clients.__file__)


def made(count: int, seed: int) -> list[ImportRow]:
    out = io.StringIO()
    make_clients.write(out, count, seed)
    rows = list(read_rows([out.getvalue().encode()]))
    assert all(isinstance(row, ImportRow) for row in rows)
    return [row for row in rows if isinstance(row, ImportRow)]


def cell(row: ImportRow, column: str) -> str:
    return row.cell(column) or ""


def test_the_same_seed_makes_the_same_rows_and_another_others() -> None:
    rows = made(500, seed=1)
    assert rows == made(500, seed=1)
    assert rows[:200] == made(200, seed=1)
    assert not {cell(r, "phone_number") for r in rows} & {cell(r, "phone_number") for r in made(500, seed=2)}


def test_the_first_row_of_seed_1_never_changes() -> None:
    assert next(make_clients.rows(1, 1)) == "79206951035,920,pensioner,Europe/Moscow"


def test_ten_thousand_are_unique_in_all_eleven_zones_with_skewed_tags() -> None:
    rows = made(10_000, seed=1)
    assert len({cell(row, "phone_number") for row in rows}) == 10_000
    zones = Counter(cell(row, "time_zone") for row in rows)
    assert len(zones) == 11
    assert set(zones) == set(make_clients.ZONES)
    assert zones.most_common(1)[0][0] == "Europe/Moscow"
    tags = Counter(cell(row, "tag") for row in rows)
    assert tags["regular"] > tags["new"] > tags["vip"] > tags["staff"] > 0
    assert tags[""] > 0


def test_numbers_are_russian_mobiles_of_their_operator() -> None:
    for row in made(2_000, seed=3):
        assert len(cell(row, "phone_number")) == 11
        assert cell(row, "phone_number").startswith("79")
        assert cell(row, "phone_code") == cell(row, "phone_number")[1:4]


def test_one_code_has_all_its_numbers_before_it_has_none() -> None:
    import random

    numbers = make_clients.Numbers("900", random.Random(5))
    assert len({numbers.take() for _ in range(100_000)}) == 100_000
    numbers._n = make_clients.SUBSCRIBERS
    with pytest.raises(OverflowError, match="900"):
        numbers.take()


def test_the_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENT_SECONDS)

    file = tmp_path / "clients.csv"
    assert run("--count", "20", "--output", str(file)).returncode == 0
    assert run("--count", "20").stdout == file.read_text()
    assert set(file.read_text().splitlines()[0].split(",")) <= set(COLUMNS)
    bad = run("--count", "many")
    assert (bad.returncode, "must be a number from 0" in bad.stderr) == (2, True)
    nowhere = run("--output", str(tmp_path / "no" / "such"))
    assert nowhere.returncode == 1
    assert nowhere.stderr.count("\n") == 1
