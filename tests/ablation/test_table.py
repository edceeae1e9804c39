"""The table of safeguards still fits the product, and names tests that there are. ``scripts/ablate`` uses it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.ablation.table import KINDS, Safeguard, safeguards
from tests.simulation.ablate import changed

ROOT: Final = Path(__file__).resolve().parent.parent.parent
ALL: Final = safeguards()


@pytest.mark.parametrize("safeguard", ALL, ids=lambda safeguard: safeguard.name)
def test_a_safeguard_can_be_switched_off_and_would_be_missed(safeguard: Safeguard) -> None:
    for module, texts in safeguard.changes.items():
        compile(changed(module, texts), module, "exec")
    assert safeguard.lives in KINDS
    assert safeguard.why or safeguard.lives != "none", "no life can see it: say why"
    assert safeguard.tests, "a test notices"
    for test in safeguard.tests:
        assert exists(test), test


def test_names_are_unique() -> None:
    assert [name for name, number in Counter(one.name for one in ALL).items() if number > 1] == []


def exists(test: str) -> bool:
    """Whether there is a test with this id (its parameters are not looked at)."""
    file, _, function = re.sub(r"\[.*", "", test).partition("::")
    path = ROOT / file
    return path.is_file() and f"def {function}(" in path.read_text(encoding="utf-8")
