"""engine/domain: no await, no I/O, no clock, no chance (docs/house.md, principle 8)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.style.tree import ROOT, imports, name_of, parse, sources

TABLES: Final = ("common.error_codes", "common.number_zones", "common.shown")
"""What the domain may say and look up; as pure as the domain."""
DOMAIN: Final = [*sources("engine/domain"), *(ROOT / f"{name.replace('.', '/')}.py" for name in TABLES)]
# Modules of the standard library that bring no time of their own, no chance, no I/O.
ALLOWED: Final = {
    "__future__", "bisect", "collections", "dataclasses", "datetime", "decimal", "email", "enum", "fractions",
    "functools", "heapq", "itertools", "json", "math", "operator", "re", "string", "types", "typing",
    "unicodedata", "zoneinfo",
}  # fmt: skip
PACKAGES: Final = {"pyotp"}
"""What the domain calls of it are functions of their arguments."""
FORBIDDEN_CALLS: Final = {"now", "utcnow", "today", "localtime", "time", "monotonic", "sleep", "open", "print", "input"}


@pytest.mark.parametrize("path", DOMAIN, ids=name_of)
def test_domain_imports_only_itself_and_pure_modules(path: Path) -> None:
    outside = {name for name in imports(path) if not name.startswith(("engine.domain", *TABLES)) and name != "engine"}
    assert {name.partition(".")[0] for name in outside} - ALLOWED - PACKAGES == set()


@pytest.mark.parametrize("path", DOMAIN, ids=name_of)
def test_domain_neither_waits_nor_asks_for_the_time(path: Path) -> None:
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.AsyncFunctionDef):
            found.append(f"{name_of(path)}:{node.lineno}: async")
        if isinstance(node, ast.Call) and _called(node) in FORBIDDEN_CALLS:
            found.append(f"{name_of(path)}:{node.lineno}: {_called(node)}()")
    assert found == []


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_the_list_of_allowed_modules_is_of_the_standard_library() -> None:
    assert sys.stdlib_module_names >= ALLOWED
