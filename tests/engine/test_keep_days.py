"""MAILING_KEEP_DAYS and MAILING_LOG_MESSAGES: what they may be."""

from __future__ import annotations

import pytest

from common.command_line import BadSettings
from engine.settings import load

REPORT = {"MAILING_REPORT_TO": "anna@example.com", "MAILING_SMTP_URL": "smtp://127.0.0.1:25"}


@pytest.mark.parametrize(
    ("days", "more"), [("0", REPORT), ("3", REPORT), ("36500", REPORT), ("0", {}), ("1", {}), ("0.5", {})]
)
def test_details_are_kept_for_ever_or_as_long_as_a_report_that_is_mailed_needs_them(
    days: str, more: dict[str, str]
) -> None:
    assert load({}, {"MAILING_KEEP_DAYS": days, **more}, None).keep_days == float(days)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"MAILING_KEEP_DAYS": "2.9", **REPORT},
            "MAILING_KEEP_DAYS: should be 0, which is for ever, or at least 3: MAILING_REPORT_TO is set",
        ),
        ({"MAILING_LOG_MESSAGES": "some"}, "MAILING_LOG_MESSAGES: should be 'all' or 'failures'"),
    ],
)
def test_what_is_wrong_is_one_line(values: dict[str, str], line: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load({}, values, None)
    assert caught.value.lines[0].startswith(line)
