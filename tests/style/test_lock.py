"""The lock files: what pyproject.toml pins, with hashes, and nothing about this or any other machine."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from typing import Any, Final

import pytest

from tests.style.tree import ROOT

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: Final[dict[str, list[str]]] = PROJECT["project"]["optional-dependencies"]
RUN: Final = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
RUN_EXTRAS: Final = ("postgres", "gateway")
LOCKS: Final = {
    "run.txt": RUN_EXTRAS,
    "smpp.txt": (*RUN_EXTRAS, "smpp"),
    "otel.txt": (*RUN_EXTRAS, "otel"),
    "docs.txt": (*RUN_EXTRAS, "docs"),
    "dev.txt": (*RUN_EXTRAS, "smpp", "otel", "docs", "dev"),
    "bench.txt": (*RUN_EXTRAS, "bench"),
    "pip.txt": ("pip",),
    "examples.txt": ("examples",),
    "peers.txt": ("peers",),
    "peers-arq.txt": ("peers-arq",),
}
ALONE: Final = {"pip.txt", "examples.txt", "peers.txt", "peers-arq.txt"}
"""Never installed beside the service."""
WANTED: Final = {
    name: [*(() if name in ALONE else RUN), *(pin for extra in extras for pin in EXTRAS[extra])]
    for name, extras in LOCKS.items()
}
PIN: Final = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][^ ]*)(?: ; [^\\]+)? \\")
HASH: Final = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def _lines(name: str) -> list[str]:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", WANTED)
def test_lock_has_every_pin_of_the_project(name: str) -> None:
    locked = {found["name"]: found["version"] for line in _lines(name) if (found := PIN.fullmatch(line))}
    wanted = dict(requirement.partition(";")[0].split("==") for requirement in WANTED[name])
    assert {package: locked.get(package) for package in wanted} == wanted


@pytest.mark.parametrize("name", WANTED)
def test_lock_holds_pins_and_hashes_only(name: str) -> None:
    """No URL, no path, no host, no option: it installs from whatever index the reader's pip uses."""
    header, *rest = _lines(name)
    assert header.startswith("# Made by scripts/lock")
    assert [line for line in rest if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert all(HASH.fullmatch(after) for line, after in pairwise(rest) if PIN.fullmatch(line))


def test_every_extra_is_locked() -> None:
    assert {extra for extras in LOCKS.values() for extra in extras} == EXTRAS.keys()


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = {requirement.partition("==")[0] for requirements in WANTED.values() for requirement in requirements}
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", page)} == set()
