"""Arrows that import-linter does not look at: scripts are no package that is installed, nor are tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SCRIPTS: Final = Path(__file__).resolve().parents[2] / "scripts"


def imported(source: str) -> Iterator[str]:
    """The packages that a module names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_no_script_needs_the_tests() -> None:
    """What is made of tests is run as a module of theirs: see ``scripts/locks``."""
    assert list(imported("import tests.x\nfrom tests import y\nfrom scripts.z import tests")) == [
        "tests",
        "tests",
        "scripts",
    ]
    found = {path: set(imported(path.read_text(encoding="utf-8"))) for path in SCRIPTS.rglob("*.py")}
    assert len(found) > 30
    assert [path for path, names in found.items() if "tests" in names] == []
