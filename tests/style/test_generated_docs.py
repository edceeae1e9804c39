"""What ``scripts/gen_docs`` writes into the pages is there, and every setting is in its table, once."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType
from typing import Any, Final

import pytest

from common.settings import Program, flag, shown_default
from engine.settings import ENGINE
from gateway.settings import GATEWAY
from tests.style.tree import ROOT

_ROW: Final = re.compile(r"^\| `([A-Z_]+)` \| `(--[a-z-]+)` \| `?(.*?)`? \| (.+) \|$", re.MULTILINE)
_README_LINES_MAX: Final = 166
"""It makes one want to try it: what is longer belongs into the docs."""


@pytest.fixture(scope="module")
def gen_docs() -> ModuleType:
    loader = SourceFileLoader("gen_docs", str(ROOT / "scripts" / "gen_docs"))
    spec = spec_from_loader("gen_docs", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date(gen_docs: ModuleType) -> None:
    assert [path.name for path, text in gen_docs.pages().items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize("program", [ENGINE, GATEWAY], ids=["engine", "gateway"])
def test_each_setting_is_in_a_table_with_its_flag_default_and_meaning(program: Program[Any]) -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = {variable: (written, default) for variable, written, default, _ in _ROW.findall(text)}
    assert len(rows) == len(_ROW.findall(text))
    for name, info in program.model.model_fields.items():
        assert rows[program.variable(name)] == (flag(name), shown_default(info.default)), name


def test_what_has_more_is_a_setting(gen_docs: ModuleType) -> None:
    assert gen_docs.MORE.keys() <= ENGINE.model.model_fields.keys() | GATEWAY.model.model_fields.keys()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= _README_LINES_MAX
