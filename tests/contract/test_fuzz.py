"""A short campaign over the running service; the long one is ``scripts/fuzz``."""

from __future__ import annotations

import pytest

from tests.contract.fuzz import campaign

_CALLS = 300


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_requests_made_from_the_document_find_nothing() -> None:
    findings = campaign(10**6, seed=1, phases=("examples", "fuzzing", "stateful"), seconds=15, quiet=True)
    assert findings.problems == []
    assert findings.calls >= _CALLS
    assert findings.operations > 30
