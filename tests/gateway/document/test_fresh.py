"""Examples have times that are to come and digits that are new, whenever the document is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.document.fresh import fresh

NOW = datetime(2026, 12, 31, 23, 59, 58, 7, tzinfo=UTC)


def read(document: object, now: datetime = NOW) -> object:
    return orjson.loads(fresh(orjson.dumps(document), now))


def test_times_are_so_far_from_when_it_is_read() -> None:
    assert read({"start": "+0h", "end": "+1d", "later": ["+36h"]}) == {
        "start": "2026-12-31T23:59:00+00:00",
        "end": "2027-01-01T23:59:00+00:00",
        "later": ["2027-01-02T11:59:00+00:00"],
    }


def test_digits_are_drawn_each_time() -> None:
    found = {str(read("+7 (000) #######")) for _ in range(20)}
    assert len(found) > 10
    for each in found:
        assert each.startswith("+7 (000) ")
        assert each[9:].isdigit()
        assert len(each) == 16


@given(st.recursive(st.text('+1dh "\\#7'), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_is_in_it_stays_json_and_what_is_no_example_stays(value: object) -> None:
    """Words about "+1h" are none: a quote within a text is escaped."""
    said = orjson.dumps(value)
    if b"####" not in said and b'"+' not in said:
        assert read(value) == value
    read(value)


def test_words_about_a_time_stay() -> None:
    words = 'Like "+1h" or "+1d".'
    assert read({"description": words, "a": "+1", "b": "+1dd", "c": "1d", "d": "# # ###"}) == {
        "description": words, "a": "+1", "b": "+1dd", "c": "1d", "d": "# # ###",
    }  # fmt: skip


def test_an_end_is_to_come_at_any_time_of_the_day() -> None:
    for hour in range(24):
        now = NOW + timedelta(hours=hour)
        assert datetime.fromisoformat(str(read("+1d", now))) - now > timedelta(hours=23)
