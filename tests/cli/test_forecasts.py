"""What the command says of the future, and of texts: the engine's words and no arithmetic of its own."""

from __future__ import annotations

from mailing.v1.mailing_service_pb2 import PreviewMailingRequest, UpdateMailingRequest
from tests.cli.conftest import Run
from tests.cli.fake_engine import T0, Script, progress


def test_the_preview_of_an_edit_is_of_what_is_unsent_and_changes_nothing(run: Run, script: Script) -> None:
    code, out, _ = run("mailing", "edit", "7", "--rate", "5", "--preview")
    assert code == 0
    assert "12,300 clients of 12,345 who match" in out
    assert "5 would be unsent at the end" in out
    asked = script.last(PreviewMailingRequest)
    assert (asked.mailing_id, script.last(UpdateMailingRequest).validate_only) == (7, True)
    run("mailing", "preview", "--text", "hi")
    assert not script.last(PreviewMailingRequest).HasField("mailing_id")


def test_watch_says_when_a_mailing_goes_on_that_waits_for_its_hours(run: Run, script: Script) -> None:
    """Never "0/s, 18 s left"."""
    waits = progress(0)
    waits.rate_per_second = 0
    waits.forecast.next_open_time.FromSeconds(T0 + 3 * 3600)
    script.progress = [[waits, progress(1000)]]
    code, out, _ = run("mailing", "watch", "7")
    first, last = out.splitlines()
    assert code == 0
    assert "waits for its local hours, the next at 20" in first
    assert "/s" not in first
    assert "left" not in first
    assert "all done" in last


def test_watch_says_what_will_miss_the_end_and_not_when_it_is_through(run: Run, script: Script) -> None:
    missing = progress(10)
    missing.forecast.missed = 4
    script.progress = [[missing, progress(1000)]]
    first = run("mailing", "watch", "7")[1].splitlines()[0]
    assert first.endswith("250/s, 4 will miss the end")


def test_watch_never_says_that_no_time_is_left_while_something_waits(run: Run, script: Script) -> None:
    waits = progress(999)  # the last one waits for its next try, of which the speed knows nothing
    waits.estimated_completion_time.CopyFrom(waits.time)
    script.progress = [[waits, progress(1000)]]
    first = run("mailing", "watch", "7")[1].splitlines()[0]
    assert first.endswith("1 pending, 250/s")


def test_statistics_tell_the_forecast_and_each_text(run: Run, script: Script) -> None:
    code, out, _ = run("mailing", "stats", "7")
    assert code == 0
    assert "through by" in out
    assert "the old price" in out
    assert "636 sent" in out
    code, out, _ = run("messages", "get", "5000000001")
    assert "text version" in out
