"""A short campaign against a running service: any protobuf, and REST beside a model. Long: ``scripts/fuzz``."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import rest_campaign, rpc_campaign, running


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_any_protobuf_and_any_order_of_rest_calls() -> None:
    with running() as service:
        calls = rpc_campaign(service, examples=3, seed=1)
        steps = rest_campaign(service, runs=4, seed=1)
        service.check_logs()
    assert calls > 60
    assert steps > 40
