"""`mailing report`: shown, written as HTML, mailed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_the_report_is_shown_as_it_is_mailed(run: Run) -> None:
    assert run("report") == (0, "2026-11-29\n[12]\n", "")
    assert run("report", "--date", "2026-11-01")[1].startswith("2026-11-01\n")
    assert json.loads(run("report", "--json")[1])["subject"] == "Mailings on 2026-11-29"


def test_its_html_is_written_into_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert run("report", "--html", str(file)) == (0, "", "")
    assert file.read_text() == "<p>"


def test_it_is_mailed_and_who_is_refused_is_named(run: Run) -> None:
    code, out, err = run("report", "--send")
    assert (code, out) == (0, "The report of 2026-11-29 is mailed.\n")
    assert err == "refused: anna@example.com: 550 no such mailbox\n"
    assert json.loads(run("report", "--send", "--json")[1])["date"] == "2026-11-29"
