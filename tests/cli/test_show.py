"""cli/show.py and the live block of watch.py: what a person sees."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from cli import show, tables, times
from cli.watch import Block, is_finished
from mailing.v1 import mailing_pb2, mailing_stats_pb2
from tests.cli.fake_engine import mailing, progress


def seen(what: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (2.5, "2.50"), (1250, "1,250.00"), (0.0125, "0.0125"), (0.000001, "0.000001")]
)
def test_money_has_no_exponent(value: float, text: str) -> None:
    assert show.money(value) == text


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
    text = seen(Block(progress(500, not_sent=20)))
    for part in ("Mailing 7  active", "52.0%", "520 of 1,000", "250/s", "1 s left", "500 sent", "20 not sent"):
        assert part in text
    assert "the engine is away" in seen(Block(progress(500), away=True))
    assert "all done" in seen(Block(progress(1000)))
    assert all(len(line) <= 80 for line in seen(Block(progress(123_456, 1_000_000)), 80).splitlines())


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


# -- narrow terminals ------------------------------------------------------------------------------

BIG = 8_765_432
TEXTS = ("Скидка 20 % до пятницы, только для своих", "x" * 200, "a")
STATES = ("scheduled", "cancelled", "active")


def mailings_table() -> tables.Listing:
    numbers = [(name, show.NUMBER) for name in ("total", "sent", "not sent", "pending")]
    times = [("start", show.TIME), ("end", show.TIME)]
    body = show.table(("id", show.NUMBER), "state", ("text", show.TEXT), *times, *numbers)
    for number, (text, state) in enumerate(zip(TEXTS, STATES, strict=True)):
        cells = [show.number(BIG + 1111 * (4 * number + at)) for at in range(4)]
        body.add_row(
            str(BIG + number), state, show.cut(text, 30), "2026-01-31 09:00:00", "2026-02-01 09:00:01+03:00", *cells
        )
    return body


@pytest.mark.parametrize("width", [120, 100, 80, 60, 40])
def test_no_number_state_or_time_is_cut(width: int) -> None:
    text = seen(mailings_table(), width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    words = text.split()
    for number in range(3):
        assert str(BIG + number) in words
        for at in range(4):
            assert show.number(BIG + 1111 * (4 * number + at)) in words
    for word in (*STATES, "2026-01-31", "09:00:00", "2026-02-01", "09:00:01+03:00"):
        assert word in words
    assert words.count("09:00:00") == 3


@given(
    width=st.integers(34, 200),
    rows=st.lists(st.tuples(*[st.integers(0, 10**9)] * 3, st.text("абв гд", max_size=60)), min_size=1, max_size=5),
    kinds=st.permutations([show.NUMBER, show.NUMBER, show.NUMBER, show.TEXT]),
)
def test_numbers_are_whole_in_any_width(
    width: int, rows: list[tuple[int, int, int, str]], kinds: list[tables.Kind]
) -> None:
    body = show.table(*((f"c{at}", kind) for at, kind in enumerate(kinds)))
    for *numbers, text in rows:
        left = iter(numbers)
        body.add_row(*(text if kind == show.TEXT else show.number(next(left)) for kind in kinds))
    words = seen(body, width).split()
    assert all(show.number(number) in words for *numbers, _ in rows for number in numbers)


def test_a_table_that_fits_is_one_and_one_that_does_not_is_a_sheet_a_row() -> None:
    wide, narrow = seen(mailings_table(), 160), seen(mailings_table(), 60)
    assert len(wide.splitlines()) == 5
    lines = narrow.splitlines()
    assert lines[0].split() == ["id", str(BIG)]
    assert lines[1].split() == ["state", "scheduled"]
    assert lines.count("") == 2


@pytest.mark.parametrize("width", [80, 60, 40])
def test_the_live_block_cuts_no_number(width: int) -> None:
    step = progress(1_234_567, 7_654_321, not_sent=23_456)
    waiting = mailing_stats_pb2.MailingProgress()
    waiting.CopyFrom(step)
    waiting.forecast.next_open_time.FromSeconds(1_767_300_000)
    for block in (Block(step), Block(step, away=True), Block(waiting)):
        text = seen(block, width)
        assert all(cell_len(line) <= width for line in text.splitlines())
        for words in ("Mailing 7", "1,258,023 of 7,654,321", "1,234,567 sent", "23,456 not sent", "6,396,298 pending"):
            assert words in " ".join(text.split())


# -- times -----------------------------------------------------------------------------------------


@pytest.fixture
def moscow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from in_zone("Europe/Moscow", monkeypatch)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from in_zone("America/New_York", monkeypatch)


def in_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        times.use_utc(False)
        yield
    times.use_utc(False)
    time.tzset()


def test_times_are_in_the_callers_zone_or_in_utc(moscow: None) -> None:
    assert show.when(mailing(), "start_time") == "2026-01-01 03:00:00+03:00"
    assert show.brief(mailing(), "start_time") == "2026-01-01 03:00:00"
    assert times.zone_words() == "at UTC+03:00 (MSK)"
    times.use_utc(True)
    assert show.when(mailing(), "start_time") == "2026-01-01 00:00:00Z"
    assert show.brief(mailing(), "start_time") == "2026-01-01 00:00:00"
    assert times.zone_words() == "in UTC"


def test_a_time_at_another_offset_than_todays_says_so(new_york: None) -> None:
    """Half of a list's times may be of the other half of the year; the line below it tells one offset."""
    winter, summer = (times.brief(datetime(2026, month, 1, tzinfo=UTC)) for month in (1, 7))
    assert sorted((len(winter), len(summer))) == [len("2026-01-01 00:00:00"), len("2026-01-01 00:00:00-05:00")]
    assert {winter[:19], summer[:19]} == {"2025-12-31 19:00:00", "2026-06-30 20:00:00"}
