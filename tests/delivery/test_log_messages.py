"""MAILING_LOG_MESSAGES: a call that went well has a line, if all are to have one."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any, Literal, cast

import pytest

from common.logs import configure
from engine.delivery.reactions import Means, Reactions
from engine.domain.message import Event
from engine.ports import Record
from tests.common.test_logs import stream  # noqa: F401 - a fixture
from tests.delivery.plans import Bench, a_plan
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import NoMeter


@pytest.mark.parametrize(("log_messages", "told"), [("all", [5, 7]), ("failures", [])])
def test_what_was_accepted_is_told_if_all_is_to_be(
    loop: VirtualLoop,
    stream: io.StringIO,  # noqa: F811
    log_messages: Literal["all", "failures"],
    told: list[int],
) -> None:
    configure("json", "info", stream)
    state = Bench(loop, a_plan(1), log_messages=log_messages).state
    events = {5: Event.ACCEPT, 6: Event.DEFER, 7: Event.ACCEPT}
    records = [Record(id, 1, 9, 2, event, 0, 1, 200, "", 0) for id, event in events.items()]
    Reactions(state, cast(Means, Random()), NoMeter()).outcomes_stored({}, records)
    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message_id"] for line in lines] == told
    for line in lines:
        assert (line["event"], line["mailing_id"], line["client_id"], line["attempt"]) == ("message.sent", 1, 9, 2)
        assert line["provider"] == "fbrq"
