"""The loader of other code: what it changes runs, and what does not fit is an error."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.simulation.ablate import DoesNotFit, changed, install
from tests.simulation.as_found import FAULTS

_MODULE = "engine.domain.retry"
_PROGRAM = """
from tests.simulation.ablate import install
install({"engine.domain.latency": [("def count_by_bucket(", "def counted(")]})
import engine.domain.latency as changed
assert hasattr(changed, "counted") and not hasattr(changed, "count_by_bucket")
"""


def test_a_module_is_imported_as_it_was_changed() -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, timeout=30)


def test_a_text_that_is_not_there_once_does_not_fit() -> None:
    for text in ("this text is nowhere", "the"):
        with pytest.raises(DoesNotFit, match=_MODULE):
            changed(_MODULE, [(text, "")])


def test_a_module_that_is_imported_already_can_not_be_changed() -> None:
    with pytest.raises(DoesNotFit, match="imported already"):
        install({"tests.simulation.ablate": []})


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_as_found_still_fits(name: str) -> None:
    for module, texts in FAULTS[name].changes.items():
        compile(changed(module, texts), module, "exec")
