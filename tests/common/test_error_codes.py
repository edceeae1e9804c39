"""common/error_codes.py: every error is said once, with all its values, and every code is used and documented."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from common.error_codes import ErrorCode, Fault
from gateway.document.shared_parts import DESCRIPTION
from tests.style.tree import PACKAGES, ROOT, name_of, parse, sources

TABLE = ROOT / "common" / "error_codes.py"
FILES = [path for path in sources(*PACKAGES, "scripts") if path != TABLE]


def names(code: ErrorCode) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(code.value) if name}


def test_a_fault_is_a_text_that_bears_its_code_and_its_values() -> None:
    values = {"max": 64, "count": 70, "input": "x" * 70}  # marshmallow gives more than are asked for
    fault = ErrorCode.TOO_LONG.format(**values)
    assert fault == "must have at most 64 characters, not 70"
    assert (fault.code, fault.arguments) == ("TOO_LONG", {"max": "64", "count": "70"})
    other = fault.worded("is too long")
    assert (other, other.code, other.arguments) == ("is too long", fault.code, fault.arguments)
    for twin in (copy.deepcopy(fault), pickle.loads(pickle.dumps(fault))):
        assert (twin, twin.code, twin.arguments) == (fault, fault.code, fault.arguments)
    assert (Fault("words").code, Fault("words").arguments) == ("", {})


@pytest.mark.parametrize("value", ["{count}", "{}", "%s", "a\nb", ""])
def test_values_are_put_in_as_they_are(value: str) -> None:
    assert ErrorCode.PHONE_CHARACTER.format(character=value) == f"contains {value}"


def test_a_value_that_is_missing_is_a_bug() -> None:
    without: dict[str, int] = {"max": 64}
    with pytest.raises(KeyError):
        ErrorCode.TOO_LONG.format(**without)


def test_codes_are_plain_names_and_sentences_are_one_line() -> None:
    for code in ErrorCode:
        assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code.name)
        assert code.value.splitlines() == [code.value.strip()]
        assert all(re.fullmatch(r"[a-z_]+", name) for name in names(code))


def test_who_uses_a_code_gives_all_its_values() -> None:
    assert [
        wrong for path in FILES if "ErrorCode." in path.read_text(encoding="utf-8") for wrong in _misused(path)
    ] == []


def _misused(path: Path) -> Iterator[str]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and (code := _code_of(node)) is not None:
            given = {keyword.arg for keyword in node.keywords}
            if None not in given and given != names(code):  # None: a mapping gives them
                yield f"{name_of(path)}:{node.lineno}: {code.name} is given {given}"


def _code_of(call: ast.Call) -> ErrorCode | None:
    """The code in ``ErrorCode.CODE.format(…)``."""
    match call.func:
        case ast.Attribute(attr="format", value=ast.Attribute(value=ast.Name(id="ErrorCode"), attr=name)):
            return ErrorCode[name]
    return None


def test_every_code_is_used() -> None:
    used = set(re.findall(r"\bErrorCode\.([A-Z0-9_]+)", "\n".join(path.read_text() for path in FILES)))
    contract = "\n".join(path.read_text() for path in (ROOT / "proto").rglob("*.proto"))
    used |= set(re.findall(r'\bcode: "([A-Z0-9_]+)"', contract))
    assert used == set(ErrorCode.__members__)


def test_every_code_is_in_rest_s_document() -> None:
    for code in ErrorCode:
        assert f"| `{code.name}` | {code} |" in DESCRIPTION
