"""common/logs.py: lines that tell a message's story, and nothing that must not be told."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from common import logs
from common.logs import Format, configure, get_logger, mask_text, masked_phone


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go; logging is as before afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_has_time_level_logger_and_fields(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    get_logger("engine.worker").info("sent", message_id=7, mailing_id=8, client_id=9)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "sent", "level": "info", "logger": "engine.worker", "message_id": 7, "mailing_id": 8, "client_id": 9,
    }  # fmt: skip


def test_console_line_is_one_line_for_people(stream: io.StringIO) -> None:
    configure("console", "info", stream)
    get_logger("engine").warning("deferred", message_id=7, detail="HTTP 503")
    (line,) = stream.getvalue().splitlines()
    assert "warning" in line
    assert "deferred" in line
    assert "message_id=7" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_neither_phone_nor_token_nor_text_is_written(stream: io.StringIO, log_format: Format) -> None:
    configure(log_format, "debug", stream)
    log = get_logger("engine")
    log.info("for 79161234567", phone_number=79161234567, to="+7 (916) 123-45-67", phones=[79161234567], text="Hello")
    log.info("call", headers={"Authorization": "Bearer abc.def"}, detail="got 'Bearer abc.def'", token="abc.def")
    log.info("open", url="postgres://user:pa55@host/db")
    logging.getLogger("library").warning("refused 89161234567 with %s", "Bearer abc.def")
    try:
        raise ValueError("bad row 79161234567 Hello")
    except ValueError:
        log.exception("failed", text="Hello")
    written = stream.getvalue()
    for secret in ("9161234567", "123-45-67", "abc.def", "pa55"):
        assert secret not in written
    assert "7916*****67" in written
    assert "ValueError" in written
    assert written.count("Hello") == written.count("bad row")


@pytest.mark.parametrize(
    "text", ["1700000079161234567", "0.79161234567", "id 123456789012", "2026-11-23 07:15:47", "7-day", "code 79161"]
)
def test_numbers_that_are_no_phones_stay(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "text", ["79161234567", "+79161234567", "89161234567", "8 916 123 45 67", "+7 (916) 123-45-67"]
)
def test_phones_are_masked_however_they_are_written(text: str) -> None:
    assert mask_text(f"to {text}.") == "to 7916*****67."


def test_ids_and_times_of_eleven_digits_stay(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    get_logger("engine").info("x", message_id=79161234567, due_us=79161234567)
    assert lines(stream)[0]["message_id"] == 79161234567
    assert lines(stream)[0]["due_us"] == 79161234567


def test_other_libraries_write_in_the_same_format(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    logging.getLogger("grpc").error("gone: %d", 5)
    logging.getLogger("tortoise").info("SELECT 1")
    assert [(line["logger"], line["event"]) for line in lines(stream)] == [("grpc", "gone: 5")]


def test_json_line_holds_what_json_can_hardly_hold(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    get_logger("engine").info("odd", large=2**70, half="\ud83d", path="/caf\u00e9")
    assert lines(stream)[0] | {"timestamp": ""} == {
        "event": "odd", "level": "info", "logger": "engine", "timestamp": "", "large": 2**70, "half": "\ud83d",
        "path": "/caf\u00e9",
    }  # fmt: skip


def test_a_log_that_nobody_takes_fails_nobody(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    log = get_logger("engine")
    stream.close()
    log.info("sent")


def test_lines_of_several_threads_are_whole(stream: io.StringIO) -> None:
    configure("json", "info", stream)

    def write(name: str) -> None:
        ours, other = get_logger(name), logging.getLogger(name)
        for number in range(200):
            ours.info("ours", number=number)
            other.warning("other %d", number)

    threads = [threading.Thread(target=write, args=(f"engine.{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 4 * 200 * 2


def test_level_that_is_off_writes_and_costs_nothing(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    log = get_logger("engine.worker")
    began = time.process_time()
    for number in range(100_000):
        log.debug("claimed", message_id=number, mailing_id=1, client_id=2)
    cost_seconds = (time.process_time() - began) / 100_000
    assert stream.getvalue() == ""
    # 0.3 us here; 35 us is what a message costs in all (docs/measured.md). Loose: machines differ.
    assert cost_seconds < 5e-6


def test_debug_is_written_when_asked_for(stream: io.StringIO) -> None:
    configure("json", "debug", stream)
    get_logger("engine").debug("claimed")
    assert lines(stream)[0]["level"] == "debug"


def test_mask_leaves_plain_values_alone() -> None:
    event: dict[str, Any] = {"event": "x", "a": None, "b": 1.5, "c": True, "d": ("y", 3)}
    assert logs.mask(None, "info", event) == {"event": "x", "a": None, "b": 1.5, "c": True, "d": ["y", 3]}


def test_masked_phone_keeps_who_sends_and_the_end() -> None:
    assert masked_phone(79161234567) == "7916*****67"
