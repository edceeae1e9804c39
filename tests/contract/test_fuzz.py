"""A short campaign over the running service; the long one is ``scripts/fuzz``."""

from __future__ import annotations

import pytest

from tests.contract.fuzz import campaign

_CALLS = 200


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_requests_made_from_the_document_find_nothing() -> None:
    findings = campaign(_CALLS, seed=1, phases=("examples", "fuzzing", "stateful"), quiet=True)
    assert findings.problems == []
    assert findings.calls >= _CALLS
    assert findings.operations > 30
    assert findings.untested == 0
