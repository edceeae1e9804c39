"""gRPC's core writes lines of its own to stderr unless it is told not to before it is imported."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("program", ["engine", "gateway", "cli"])
def test_programs_silence_the_core_of_grpc(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program's package is imported before any module of it. What an operator has set stays."""
    monkeypatch.delenv("GRPC_VERBOSITY")
    package = importlib.reload(importlib.import_module(program))
    assert package.os.environ["GRPC_VERBOSITY"] in {"NONE", "ERROR"}
    monkeypatch.setenv("GRPC_VERBOSITY", "DEBUG")
    assert importlib.reload(package).os.environ["GRPC_VERBOSITY"] == "DEBUG"
