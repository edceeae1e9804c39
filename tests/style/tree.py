"""The project's own Python files, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PACKAGES: Final = ("common", "engine", "gateway", "admin", "cli")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """All files of these folders that people wrote in Python, the ones without a suffix included."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and "_pb2" not in path.name and _is_python(path):
                found.append(path)
    return found


def _is_python(path: Path) -> bool:
    if path.suffix:
        return path.suffix == ".py"
    return path.read_bytes().startswith(b"#!/usr/bin/env python3")


@cache
def parse(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """The file as messages name it."""
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """``engine/domain/retry.py`` -> ``engine.domain.retry``; a package is named after its folder."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    for node in ast.walk(parse(path)):
        if isinstance(node, Function):
            yield node


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it, as full dotted names; ``from a import b`` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def strings(path: Path) -> set[str]:
    """The file's string constants: a module may be named to a library that imports it (Tortoise)."""
    nodes = ast.walk(parse(path))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
