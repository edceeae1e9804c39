"""The table of safeguards: what protects a message from each fault, and how its absence would be noticed.

A safeguard is a piece of the product that no test of a quiet day needs. One that nobody would miss is not known to
work. So each has an entry in a ``*.toml`` beside this file: the change that switches it off, the kind of simulated
lives that sees it gone, and the test that fails. Those that back each other up are of one group: where one alone can't
be missed, its ``why`` says which of them does its work, and another entry switches off all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
KINDS: Final = ("one", "many", "none")


@dataclass(frozen=True, slots=True)
class Safeguard:
    """One entry."""

    name: str
    protects: str
    """What must not happen, in a sentence."""
    changes: Mapping[str, tuple[tuple[str, str], ...]]
    """Texts to be replaced, by module (``tests/simulation/ablate.py``)."""
    lives: str
    """Which simulated lives see it gone: of ``one`` engine, of ``many``, or ``none``."""
    tests: tuple[str, ...]
    """Tests that fail without it."""
    troubles: tuple[str, ...] | None = None
    """Of lives of ``many``: only these kinds of trouble, which show it soonest; ``None``: whatever is drawn."""
    why: str = ""
    """Why no life can see it, or why it stays although another does its work."""


def safeguards() -> list[Safeguard]:
    """All entries, in the order of the files."""
    return [_entry(raw) for path in sorted(HERE.glob("*.toml")) for raw in _raw(path)]


def _raw(path: Path) -> Iterator[dict[str, Any]]:
    yield from tomllib.loads(path.read_text(encoding="utf-8"))["safeguard"]


def _entry(raw: dict[str, Any]) -> Safeguard:
    changes = {module: tuple((old, new) for old, new in texts) for module, texts in raw.pop("changes").items()}
    troubles = tuple(raw.pop("troubles")) if "troubles" in raw else None
    return Safeguard(changes=changes, tests=tuple(raw.pop("tests")), troubles=troubles, **raw)
