from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.errors import InvalidInput
from engine.domain.time_text import MAX_US, MIN_US
from engine.domain.validate import (
    UNDERSTOOD,
    ClientInput,
    ClientPatch,
    MailingInput,
    bare_text,
    canonical_language,
    valid_change,
    valid_client,
    valid_mailing,
)
from engine.domain.window import LocalHours

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000
GOOD: dict[str, Any] = {
    "text": "Hello",
    "start_us": NOW_US,
    "end_us": NOW_US + HOUR_US,
    "now_us": NOW_US,
    "filter": AudienceFilter(("new",), ("916",)),
    "local_hours": ("09:00", "21:00"),
    "rate_limit": 10.0,
    "on_uncertain": "not_sent",
}


@dataclass
class Said:
    """What somebody says of a client."""

    phone_number: str = "79161234567"
    phone_code: str = ""
    tag: str = ""
    time_zone: str = ""
    language: str = ""


def bad_client_fields(said: Said) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        valid_client(said)
    return [(error.field, error.fault) for error in caught.value.errors]


def bad_mailing_fields(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        valid_mailing(**GOOD | changes)
    return [(error.field, error.fault) for error in caught.value.errors]


def test_a_client_is_completed() -> None:
    assert valid_client(Said("+7 916 123-45-67")) == ClientInput(79161234567, "916", "", "UTC")


def test_a_tag_that_shows_nothing_is_none() -> None:
    assert valid_client(Said("+7 916 123-45-67", tag=" \u200b")).tag == ""


def test_a_client_keeps_what_it_says() -> None:
    client = valid_client(Said("89161234567", "9160", "new", "Europe/Moscow"))
    assert client == ClientInput(79161234567, "9160", "new", "Europe/Moscow")


@pytest.mark.parametrize(
    "tag",
    [
        *("", "ru", "pt-BR", "zh-Hans-CN", "es-419", "sl-rozaj-biske-1994", "de-CH-1901", "zh-yue-Hant-HK"),
        *("en-a-bbb-x-a-ccc", "hy-Latn-IT-arevela", "en-US-u-co-latn-x-us", "de-x-goethe"),
    ],
)
def test_a_language_is_in_the_case_of_the_standard_whatever_was_written(tag: str) -> None:
    assert [canonical_language(text) for text in (tag, tag.lower(), tag.upper())] == [tag] * 3
    assert valid_client(Said(language=tag.upper())).language == tag


def test_a_number_that_is_none() -> None:
    assert bad_client_fields(Said("12")) == [("phone_number", "must have 11 digits, 7XXXXXXXXXX, not 2")]


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "Europe", "europe/mars ", "../../etc/passwd", "/etc/passwd", "localtime", "a\0"]
)
def test_a_time_zone_that_is_none(zone: str) -> None:
    message = 'must be a time zone: an IANA name like "Europe/Moscow", an offset like "UTC+3", or a city'
    assert bad_client_fields(Said(time_zone=zone)) == [("time_zone", message)]


def test_every_bad_field_of_a_client_is_told() -> None:
    fields = [field for field, _ in bad_client_fields(Said("x", time_zone="z"))]
    assert fields == ["phone_number", "time_zone"]


def test_a_row_laid_over_a_client_leaves_what_it_does_not_say() -> None:
    old = ClientInput(79161234567, "999", "a", "Asia/Omsk")
    new = ClientInput(79161234567, "925", "b", "Europe/Moscow")
    names = ("phone_code", "tag", "time_zone")
    assert ClientPatch(new, names).phone_number == new.phone_number
    assert ClientPatch(new, names).over(old) == old
    assert ClientPatch(new, ("tag", "time_zone")).over(old) == ClientInput(79161234567, "925", "a", "Asia/Omsk")
    assert ClientPatch(new, ("phone_code",)).over(old) == ClientInput(79161234567, "999", "b", "Europe/Moscow")
    assert ClientPatch(new, names).with_zone().over(old).time_zone == new.time_zone
    assert ClientPatch(new).over(old) == new
    assert ClientPatch(new, names).over(None) == ClientPatch(new).over(None) == new


def test_where_no_time_zone_is_said_it_is_the_default_one() -> None:
    omsk = "Asia/Omsk"
    assert valid_client(Said(), omsk).time_zone == omsk
    assert valid_client(Said(time_zone="UTC"), omsk).time_zone == "UTC"
    assert valid_change(Said(), ["time_zone"], omsk) == {"time_zone": omsk}


def test_a_mailing_keeps_what_it_says() -> None:
    assert valid_mailing(**GOOD) == MailingInput(
        "Hello",
        AudienceFilter(("new",), ("916",)),
        NOW_US,
        NOW_US + HOUR_US,
        LocalHours(540, 1260),
        10.0,
        "not_sent",
    )


def test_a_mailing_is_completed() -> None:
    mailing = valid_mailing(text="x", start_us=0, end_us=NOW_US + 1, now_us=NOW_US)
    assert mailing == MailingInput("x", AudienceFilter(), 0, NOW_US + 1, None, None, "resend")


def test_a_repeated_filter_entry_counts_once() -> None:
    mailing = valid_mailing(**GOOD | {"filter": AudienceFilter(("b", "a", "b", ""), ("1", "1"))})
    assert mailing.filter == AudienceFilter(("b", "a", ""), ("1",))


@pytest.mark.parametrize(
    ("text", "segments_max", "segments"),
    [
        ("x" * 160, 1, None),
        ("x" * 161, 1, 2),
        ("x" * 1530, 10, None),
        ("x" * 1531, 10, 11),
        ("ж" * 670, 10, None),
        ("ж" * 671, 10, 11),
        ("[" * 760, 10, None),
        ("[" * 761, 10, 11),
        ("x" * 1530 + "ж", 10, 23),
        ("😀" * 4096, 125, None),
        ("😀" * 4096, 124, 125),
        ("😀" * 4096, None, None),
    ],
)
def test_a_text_takes_so_many_segments_at_most(text: str, segments_max: int | None, segments: int | None) -> None:
    changes = {"text": text, "segments_max": segments_max}
    if segments is None:
        assert valid_mailing(**GOOD | changes).text == text
        return
    words = f"must take at most {segments_max} SMS segments, not {segments} (the limit is MAILING_SEGMENTS_MAX)"
    assert bad_mailing_fields(**changes) == [("text", words)]


def test_a_bad_placeholder_is_told_with_its_position() -> None:
    words = "has a placeholder at character 7 that is not closed by two braces"
    assert bad_mailing_fields(text="Hello {{name") == [("text", words)]
    assert valid_mailing(**GOOD | {"text": "Hello {{name", "segments_max": None}).text == "Hello {{name"


@pytest.mark.parametrize("text", [" ", "\n \t", "\u00a0\u2003", "\u200b\u200e\u2060", "\u3164\u2800", "\u00ad"])
def test_a_text_that_shows_nothing_is_none(text: str) -> None:
    words = "shows nothing: it has only blanks and characters that nobody sees"
    assert bad_mailing_fields(text=text) == [("text", words)]
    assert valid_mailing(**GOOD | {"text": text, "segments_max": None}).text == text  # it was accepted before
    for seen in (text + ".", text + "\\{{", text + "{{name}}", "{{name|}}" + text):  # who has no name is incomplete
        assert valid_mailing(**GOOD | {"text": seen}).text == seen


def test_without_a_word_the_limit_is_ten_segments() -> None:
    assert valid_mailing(**GOOD | {"text": "ж" * 670}).text == "ж" * 670
    assert bad_mailing_fields(text="ж" * 671)[0][0] == "text"


def test_byte_order_marks_before_a_text_are_dropped_and_within_it_stay() -> None:
    assert [bare_text(text) for text in ("x", "\ufeffx", "\ufeff\ufeffx", "\ufeff")] == ["x", "x", "x", ""]
    assert bare_text("\ufeffa\ufeff") == "a\ufeff"


TIME_OF_DAY = "must be a time of day like 09:00, from 00:00 to 23:59"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"start_us": None}, "start_time", "is required"),
        ({"end_us": None}, "end_time", "is required"),
        ({"start_us": MIN_US - 1}, "start_time", "must be in the years 1 to 9999 of UTC"),
        ({"end_us": MAX_US + 1}, "end_time", "must be in the years 1 to 9999 of UTC"),
        ({"end_us": NOW_US}, "end_time", "must be after start_time"),
        ({"start_us": NOW_US - 2, "end_us": NOW_US}, "end_time", "must be in the future"),
        ({"local_hours": ("9:00", "21:00")}, "local_hours.from", TIME_OF_DAY),
        ({"local_hours": ("09:00", "24:00")}, "local_hours.to", TIME_OF_DAY),
        ({"budget": 0.123_456_7}, "budget", "must have at most 6 decimals"),
        ({"local_hours": ("09:00", "09:00")}, "local_hours", "from and to must differ; leave it out to send all day"),
    ],
)
def test_a_bad_mailing_field(changes: dict[str, Any], field: str, message: str) -> None:
    assert bad_mailing_fields(**changes) == [(field, message)]


def test_every_bad_field_of_a_mailing_is_told() -> None:
    found = bad_mailing_fields(text="x" * 4000, start_us=None, end_us=NOW_US - 1, local_hours=("", ""))
    assert [field for field, _ in found] == [
        *("text", "start_time", "end_time", "local_hours.from", "local_hours.to"),
    ]


@pytest.mark.parametrize(
    ("said", "names", "stored"),
    [
        (Said(), [], {}),
        (Said(), ["tag", "time_zone"], {"tag": "", "time_zone": "UTC"}),
        (Said(tag="new", time_zone="?"), ["tag"], {"tag": "new"}),
        (Said(time_zone="Asia/Omsk"), ["time_zone"], {"time_zone": "Asia/Omsk"}),
        (Said(tag=" \u200b"), ["tag"], {"tag": ""}),
    ],
)
def test_a_change_of_many_clients(said: Said, names: list[str], stored: dict[str, str]) -> None:
    assert valid_change(said, names) == stored


def test_a_bad_change_of_many_clients() -> None:
    with pytest.raises(InvalidInput) as caught:
        valid_change(Said(time_zone="Mars/Olympus"), ["time_zone"])
    assert [error.field for error in caught.value.errors] == ["time_zone"]


def test_a_time_zone_is_stored_by_its_name_however_it_is_written() -> None:
    assert valid_client(Said(time_zone="МСК+2")).time_zone == "Asia/Yekaterinburg"
    assert valid_change(Said(time_zone="Омск"), ["time_zone"]) == {"time_zone": "Asia/Omsk"}
    assert UNDERSTOOD["time_zone"]("UTC+3") == "Etc/GMT-3"
    assert UNDERSTOOD["time_zone"]("Mars") == "Mars"  # a filter that nobody matches


def test_attributes_are_checked_with_the_rest_and_written_in_one_way() -> None:
    client = valid_client(Said(), attributes={"b": 2.0, "a": "x"})
    assert client.attributes == '{"a":"x","b":2}'
    assert valid_client(Said(), attributes={"b": None, "a": "x"}, may_remove=True).attributes == '{"a":"x"}'
    with pytest.raises(InvalidInput) as caught:
        valid_client(Said("x", time_zone="Nowhere"), attributes={"A": 1})
    assert [error.field for error in caught.value.errors] == ["phone_number", "time_zone", "attributes.A"]


def test_a_row_lays_its_attributes_over_those_that_are_there() -> None:
    old = ClientInput(79161234567, "999", "a", "UTC", attributes='{"a":1,"b":2}')
    row = ClientInput(79161234567, "999", "b", "UTC", attributes='{"b":3}')
    unsaid = ("attributes",)
    assert ClientPatch(row, unsaid, {"b": 3, "a": None}).over(old).attributes == '{"b":3}'
    assert ClientPatch(row, unsaid, {"b": 3}).over(old) == ClientInput(
        79161234567, "999", "b", "UTC", attributes='{"a":1,"b":3}'
    )
    assert ClientPatch(row, unsaid).over(old).attributes == old.attributes
    assert ClientPatch(row, unsaid, {"b": 3}).over(None) == row
