"""MAILING_KEEP_DAYS and MAILING_LOG_MESSAGES: what they may be."""

from __future__ import annotations

import pytest

from common.command_line import BadSettings
from engine.settings import load


@pytest.mark.parametrize("days", ["0", "3", "36500"])
def test_details_are_kept_for_ever_or_as_long_as_the_report_asks_for_them(days: str) -> None:
    assert load({}, {"MAILING_KEEP_DAYS": days}, None).keep_days == float(days)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("MAILING_KEEP_DAYS", "2.9", "MAILING_KEEP_DAYS: should be 0, which is for ever, or at least 3"),
        ("MAILING_LOG_MESSAGES", "some", "MAILING_LOG_MESSAGES: should be 'all' or 'failures'"),
    ],
)
def test_what_is_wrong_is_one_line(name: str, value: str, line: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load({}, {name: value}, None)
    assert caught.value.lines[0].startswith(line)
