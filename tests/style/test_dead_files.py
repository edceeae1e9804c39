"""Every module of ours is reached from an entry point: a file that nothing imports is dead."""

from __future__ import annotations

from typing import Final

from tests.style.tree import PACKAGES, imports, module_of, name_of, sources, strings

ENTRY_POINTS: Final = {
    "engine.__main__",
    "gateway.__main__",
    "cli",
    "cli.__main__",
    "admin.panel",
    "common.contract.__main__",
}


def test_no_module_is_dead() -> None:
    modules = {module_of(path): path for path in sources(*PACKAGES) if "migrations" not in path.parts}
    reached: set[str] = set()
    waiting = [name for name in ENTRY_POINTS if name in modules]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += [each for each in imports(modules[name]) | strings(modules[name]) if each in modules]
        waiting += [each for each in _parents(name) if each in modules]
    dead = {name_of(modules[name]) for name in modules.keys() - reached}
    assert not dead, "\n".join(sorted(dead))


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts))}


def test_every_entry_point_exists() -> None:
    paths = {module_of(path) for path in sources(*PACKAGES)}
    assert paths >= ENTRY_POINTS
