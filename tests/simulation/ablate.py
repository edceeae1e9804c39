"""Other code in place of ours: a safeguard switched off, or a fault put back as it was found.

A finder before all others reads a module's source, replaces texts, and compiles that. Nothing in the product knows of
it. It must be installed before the module is imported for the first time, so one process has one set of changes.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

Changes = Mapping[str, Sequence[tuple[str, str]]]
"""By module: texts, each with what stands in its place."""


class DoesNotFit(Exception):
    """A text to be replaced does not occur exactly once, or its module is imported already."""


def install(changes: Changes) -> None:
    """From now on these modules are imported with their texts replaced.

    Raises:
        DoesNotFit: so a change that the code has outgrown is noticed, and not taken for one that does no harm.
    """
    early = sorted(name for name in changes if name in sys.modules)
    if early:
        raise DoesNotFit(f"imported already: {', '.join(early)}")
    sources = {name: changed(name, texts) for name, texts in changes.items()}
    sys.meta_path.insert(0, _Finder(sources))


def changed(name: str, texts: Sequence[tuple[str, str]]) -> str:
    """A module's source with its texts replaced.

    Raises:
        DoesNotFit: one of them does not occur exactly once.
    """
    source = _path(name).read_text(encoding="utf-8")
    for old, new in texts:
        if (number := source.count(old)) != 1:
            raise DoesNotFit(f"{name} has {number} times, not once: {old!r}")
        source = source.replace(old, new)
    return source


def _path(name: str) -> Path:
    """Where a module's source is, without importing anything."""
    root = Path(__file__).resolve().parent.parent.parent
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


class _Finder(MetaPathFinder):
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._sources:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.origin is not None
        return importlib.util.spec_from_file_location(
            name,
            spec.origin,
            loader=_Loader(spec.origin, self._sources[name]),
            submodule_search_locations=spec.submodule_search_locations,
        )


class _Loader(Loader):
    def __init__(self, origin: str, source: str) -> None:
        self._origin, self._source = origin, source

    def exec_module(self, module: ModuleType) -> None:
        code: CodeType = compile(self._source, self._origin, "exec")
        exec(code, module.__dict__)
