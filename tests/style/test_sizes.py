"""Functions short enough to see at once, files under 400 lines (docs/house.md)."""

from __future__ import annotations

import ast
from statistics import median
from typing import Final

from tests.style.tree import PACKAGES, Function, functions, name_of, sources

OURS: Final = sources(*PACKAGES, "scripts")
FILE_LINES_MAX: Final = 400
TEST_FILE_LINES_MAX: Final = 600
FUNCTION_LINES_MAX: Final = 60
LONG_FUNCTION_LINES: Final = 40
LONG_FUNCTIONS_SHARE_MAX: Final = 0.01


def lines(function: Function) -> int:
    """Lines of the body, without the docstring, for words don't make a function long, and without the functions in it,
    which count by themselves."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = (first.end_lineno or first.lineno) + 1 if has_docstring else first.lineno
    return max(0, (function.end_lineno or function.lineno) - start + 1 - sum(map(whole, inner(function))))


def inner(function: Function) -> list[Function]:
    """The functions right inside this one."""
    return [each for each in function.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def whole(function: Function) -> int:
    """All lines of a function, its decorators included."""
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    return (function.end_lineno or function.lineno) - first + 1


def test_files_are_short() -> None:
    limits = [(path, FILE_LINES_MAX) for path in OURS] + [(path, TEST_FILE_LINES_MAX) for path in sources("tests")]
    sizes = {name_of(path): (len(path.read_text(encoding="utf-8").splitlines()), limit) for path, limit in limits}
    assert {name: size for name, (size, limit) in sizes.items() if size > limit} == {}


def test_functions_are_short() -> None:
    sizes = {
        f"{name_of(path)}:{function.lineno} {function.name}": lines(function)
        for path in OURS
        if "migrations" not in path.parts
        for function in functions(path)
    }
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES_MAX} == {}
    long = {name: size for name, size in sizes.items() if size > LONG_FUNCTION_LINES}
    assert len(long) <= LONG_FUNCTIONS_SHARE_MAX * len(sizes), long
    assert median(sizes.values()) <= 8
