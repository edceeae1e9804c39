"""gateway/cli/show.py and the live block of watch.py: what a person sees."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from gateway.cli import show
from gateway.cli.watch import is_finished, render
from mailing.v1 import mailing_pb2
from tests.gateway.fake_engine import mailing, progress


def seen(what: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    return out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3725, "1 h 02 min"), (100_000, "1 d 3 h")],
)
def test_span(seconds: float, text: str) -> None:
    assert show.span(seconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"), [(0, "0/s"), (0.5, "0.50/s"), (12.34, "12.3/s"), (12, "12/s"), (1234.5, "1,234/s")]
)
def test_rate(per_second: float, text: str) -> None:
    assert show.rate(per_second) == text


def test_texts_of_people_are_no_markup_and_one_line() -> None:
    assert seen(show.sheet([("text", show.cut("[red]50 %[/]\nnow", 20))])).split() == ["text", "[red]50", "%[/]", "now"]
    assert show.cut("x" * 30, 10) == "x" * 9 + "…"


def test_the_live_block_shows_bar_counts_speed_and_time_left() -> None:
    text = seen(render(progress(500, not_sent=20)))
    for part in ("Mailing 7  active", "52.0%", "520 of 1,000", "250/s", "1 s left", "500 sent", "20 not sent"):
        assert part in text
    assert "the engine is away" in seen(render(progress(500), away=True))
    assert "all done" in seen(render(progress(1000)))
    assert all(len(line) <= 80 for line in seen(render(progress(123_456, 1_000_000)), 80).splitlines())


def test_finished_is_when_nothing_is_pending_nor_being_made() -> None:
    assert is_finished(progress(1000))
    assert is_finished(progress(0, total=0))
    assert not is_finished(progress(999))
    assert not is_finished(progress(0, total=0, state=mailing_pb2.MAILING_STATE_SCHEDULED))
    building = progress(10, total=10)
    building.audience_state = mailing_pb2.AUDIENCE_STATE_BUILDING
    assert not is_finished(building)


def test_times_are_local_with_their_offset() -> None:
    text = show.when(mailing(), "start_time")
    assert len(text) == len("2026-01-01 03:00:00+03:00")
    assert show.when(mailing(), "update_time") == show.NONE
