"""Webhooks are told of everything while engines die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import webhooks
from tests.chaos.short import short


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_events_are_told_whoever_dies(tmp_path: Path) -> None:
    report = await short(tmp_path, "webhooks", lambda here: webhooks.act(here, 2), database="sqlite")
    assert not report.more["events"].startswith("0 ")


def test_the_judge_knows_what_is_wrong() -> None:
    sent, not_sent = ({"type": f"messages.{kind}", "data": {"messages": [{"id": 1}]}} for kind in ("sent", "not_sent"))
    assert webhooks.differences({1: 3}, [sent]) == []
    for statuses, events in (({1: 3}, []), ({1: 3}, [sent, sent]), ({1: 3}, [not_sent]), ({}, [sent])):
        assert webhooks.differences(statuses, events)
    assert webhooks.disorder({1: 7, 2: 8, 3: 7}, [2, 1, 3]) == []
    assert webhooks.disorder({1: 7, 2: 8, 3: 7}, [3, 2, 1])
