"""common/alike_lines.py: lines written at once are as if each had been logged by itself."""

from __future__ import annotations

import io
import re

import pytest

from common.alike_lines import log_alike
from common.logs import Format, configure, get_logger
from tests.common.test_logs import stream  # noqa: F401 - a fixture

NAMES = ("message_id", "mailing_id", "attempt")
ROWS = [(7, 1, 1), (79_161_234_567, 100_000_000_000_000_001, 12)]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_they_are_as_if_logged_one_by_one(stream: io.StringIO, log_format: Format) -> None:  # noqa: F811
    configure(log_format, "info", stream)
    log = get_logger("engine")
    log_alike(log, "message.sent", NAMES, ROWS, provider="100 % of it")
    at_once = stream.getvalue()
    stream.truncate(0)
    stream.seek(0)
    for row in ROWS:
        log.info("message.sent", **dict(zip(NAMES, row, strict=True)), provider="100 % of it")
    assert _TIME.sub("", at_once) == _TIME.sub("", stream.getvalue())
    assert at_once.count("\n") == len(ROWS)


def test_a_level_that_is_off_writes_nothing(stream: io.StringIO) -> None:  # noqa: F811
    configure("json", "warning", stream)
    log_alike(get_logger("engine"), "message.sent", NAMES, ROWS)
    assert stream.getvalue() == ""
