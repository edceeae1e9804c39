"""The README's tables have each setting, by its variable, its flag, and where that is plain its default."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from common.settings import ProcessSettings, Program, flag
from engine.settings import ENGINE
from gateway.settings import GATEWAY
from tests.style.tree import ROOT

_ROW: Final = re.compile(r"^\| (`[A-Z_]+`.*?) \| (`--.*?) \| (.*?) \| .*\|$", re.MULTILINE)
_SHARED: Final = {*ProcessSettings.model_fields, "allow_plaintext"}
"""They stand in the engine's table, and the gateway's refers to them."""


def rows(table: str) -> dict[str, str]:
    """Defaults by variables; ``_KEY`` beside another name stands for that with another last word."""
    found: dict[str, str] = {}
    for names, _, default in _ROW.findall(table):
        first, *others = re.findall(r"`(\w+)`", names)
        stem = first.rpartition("_")[0]
        found |= dict.fromkeys([first, *(stem + other for other in others)], default)
    return found


def tables() -> tuple[str, str]:
    """The engine's and the gateway's, as they are written."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    engine, gateway = re.findall(r"^\| environment \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    return engine, gateway


@pytest.mark.parametrize(("number", "program", "left_out"), [(0, ENGINE, frozenset[str]()), (1, GATEWAY, _SHARED)])
def test_each_setting_is_in_its_table_with_its_default(number: int, program: Program[Any], left_out: set[str]) -> None:
    fields = {name: info for name, info in program.model.model_fields.items() if name not in left_out}
    table = tables()[number]
    written = rows(table)
    assert sorted(written) == sorted(map(program.variable, fields))
    for name, info in fields.items():
        if type(info.default) in {int, float}:
            assert written[program.variable(name)] == f"{info.default:.15g}", name


def test_each_flag_is_that_of_its_variable() -> None:
    for names, flags, _ in (row for table in tables() for row in _ROW.findall(table)):
        variable = re.findall(r"`(\w+)`", names)[0].removeprefix("MAILING_")
        assert re.findall(r"`(--[a-z-]+)`", flags)[0] == flag(variable.lower())
