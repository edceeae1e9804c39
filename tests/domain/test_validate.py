from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.domain.audience import AudienceFilter
from engine.domain.errors import InvalidInput
from engine.domain.time_text import MAX_US, MIN_US
from engine.domain.validate import (
    ClientInput,
    ClientPatch,
    MailingInput,
    valid_change,
    valid_client,
    valid_mailing,
    valid_patch,
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


def bad_client_fields(*arguments: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        valid_client(*arguments)
    return [(error.field, error.fault) for error in caught.value.errors]


def bad_mailing_fields(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        valid_mailing(**GOOD | changes)
    return [(error.field, error.fault) for error in caught.value.errors]


def test_a_client_is_completed() -> None:
    assert valid_client("+7 916 123-45-67") == ClientInput(79161234567, "916", "", "UTC")


def test_a_client_keeps_what_it_says() -> None:
    client = valid_client("89161234567", "9160", "new", "Europe/Moscow")
    assert client == ClientInput(79161234567, "9160", "new", "Europe/Moscow")


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        (("12",), "phone_number", "must have 11 digits, 7XXXXXXXXXX, not 2"),
        (("79161234567", "91a"), "phone_code", "must be 1 to 16 digits"),
        (("79161234567", "٩"), "phone_code", "must be 1 to 16 digits"),
        (("79161234567", "1" * 17), "phone_code", "must be 1 to 16 digits"),
        (("79161234567", "", "t" * 65), "tag", "must have at most 64 characters, not 65"),
        (("79161234567", "", "a\0b"), "tag", "must not contain the character U+0000"),
        (("79161234567", "", "a\ud800"), "tag", "must not contain half of a surrogate pair"),
        *(
            (("79161234567", "", "", zone), "time_zone", 'must be an IANA time zone name, like "Europe/Moscow"')
            for zone in ("Mars/Base", "Europe", "europe/moscow ", "../../etc/passwd", "/etc/passwd", "localtime", "a\0")
        ),
    ],
)
def test_a_bad_client_field(arguments: tuple[str, ...], field: str, message: str) -> None:
    assert bad_client_fields(*arguments) == [(field, message)]


def test_every_bad_field_of_a_client_is_told() -> None:
    fields = [field for field, _ in bad_client_fields("x", "y", "\0", "z")]
    assert fields == ["phone_number", "phone_code", "tag", "time_zone"]


def test_limits_of_a_client_are_inclusive() -> None:
    client = valid_client("79161234567", "1" * 16, "я" * 64)
    assert (len(client.phone_code), len(client.tag)) == (16, 64)


def test_a_row_of_an_import_says_what_it_says_and_no_more() -> None:
    assert valid_patch("8 916 123-45-67") == ClientPatch(79161234567)
    assert valid_patch("79161234567", "", "", "") == ClientPatch(79161234567, "916", "", "UTC")
    assert valid_patch("79161234567", tag="a") == ClientPatch(79161234567, tag="a")
    with pytest.raises(InvalidInput) as caught:
        valid_patch("x", "y", "\0", "z")
    assert [error.field for error in caught.value.errors] == ["phone_number", "phone_code", "tag", "time_zone"]


def test_a_row_laid_over_a_client_leaves_what_it_does_not_say() -> None:
    old = ClientInput(79161234567, "999", "a", "Asia/Omsk")
    phone, code, tag, zone = 79161234567, "925", "b", "Europe/Moscow"
    assert ClientPatch(phone).over(old) == old
    assert ClientPatch(phone, code).over(old) == ClientInput(phone, "925", "a", "Asia/Omsk")
    assert ClientPatch(phone, tag="").over(old) == ClientInput(phone, "999", "", "Asia/Omsk")
    assert ClientPatch(phone, code, tag, zone).over(old) == ClientInput(phone, code, tag, zone)
    assert ClientPatch(phone).over(None) == ClientInput(phone, "916", "", "UTC")
    assert ClientPatch(phone, code, tag, zone).over(None) == ClientInput(phone, code, tag, zone)


def test_where_no_time_zone_is_said_it_is_the_default_one() -> None:
    phone, omsk = "79161234567", "Asia/Omsk"
    assert valid_client(phone, default_time_zone=omsk).time_zone == omsk
    assert valid_client(phone, time_zone="UTC", default_time_zone=omsk).time_zone == "UTC"
    assert valid_change(None, "", omsk) == (None, omsk)
    patch = valid_patch(phone, default_time_zone=omsk)
    assert patch.time_zone is None
    old = valid_client(phone, time_zone="Europe/Moscow")
    assert (patch.over(None).time_zone, patch.over(old).time_zone) == (omsk, "Europe/Moscow")
    assert valid_patch(phone, time_zone="", default_time_zone=omsk).over(old).time_zone == omsk


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


def test_limits_of_a_mailing_are_inclusive() -> None:
    entries = tuple(str(number) for number in range(1000))
    mailing = valid_mailing(
        **GOOD
        | {"text": "x" * 4096, "filter": AudienceFilter(entries, entries), "rate_limit": 100_000.0, "segments_max": 27}
    )
    assert (len(mailing.text), len(mailing.filter.tags), mailing.rate_limit) == (4096, 1000, 100_000.0)


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
        ("\ufeff" + "x" * 160, 1, None),
    ],
)
def test_a_text_takes_so_many_segments_at_most(text: str, segments_max: int | None, segments: int | None) -> None:
    changes = {"text": text, "segments_max": segments_max}
    if segments is None:
        assert valid_mailing(**GOOD | changes).text == text.removeprefix("\ufeff")
        return
    words = f"must take at most {segments_max} SMS segments, not {segments} (the limit is MAILING_SEGMENTS_MAX)"
    assert bad_mailing_fields(**changes) == [("text", words)]


def test_without_a_word_the_limit_is_ten_segments() -> None:
    assert valid_mailing(**GOOD | {"text": "ж" * 670}).text == "ж" * 670
    assert bad_mailing_fields(text="ж" * 671)[0][0] == "text"


@given(st.text(max_size=200))
def test_a_byte_order_mark_before_a_text_is_dropped(text: str) -> None:
    bare = text.lstrip("\ufeff")
    assume(bare and "\0" not in bare)
    for marks in ("", "\ufeff", "\ufeff\ufeff"):
        assert valid_mailing(**GOOD | {"text": marks + bare}).text == bare


def test_a_byte_order_mark_alone_is_no_text_and_within_a_text_it_stays() -> None:
    assert bad_mailing_fields(text="\ufeff") == [("text", "must have 1 to 4096 characters, not 0")]
    assert valid_mailing(**GOOD | {"text": "a\ufeff"}).text == "a\ufeff"
    assert len(valid_mailing(**GOOD | {"text": "\ufeff" + "x" * 4096, "segments_max": None}).text) == 4096


RATE = "must be more than 0 and at most 100000 messages a second; leave it out for no limit"
TIME_OF_DAY = "must be a time of day like 09:00, from 00:00 to 23:59"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"text": ""}, "text", "must have 1 to 4096 characters, not 0"),
        ({"text": "x" * 4097}, "text", "must have 1 to 4096 characters, not 4097"),
        ({"text": "a\0b"}, "text", "must not contain the character U+0000"),
        ({"text": "\udfff"}, "text", "must not contain half of a surrogate pair"),
        ({"filter": AudienceFilter(("a", "t" * 65))}, "filter.tags[1]", "must have at most 64 characters, not 65"),
        ({"filter": AudienceFilter((), ("1", "2", "x"))}, "filter.phone_codes[2]", "must be 1 to 16 digits"),
        ({"filter": AudienceFilter((), ("",))}, "filter.phone_codes[0]", "must be 1 to 16 digits"),
        ({"filter": AudienceFilter(("a",) * 1001)}, "filter.tags", "must have at most 1000 entries, not 1001"),
        ({"start_us": None}, "start_time", "is required"),
        ({"end_us": None}, "end_time", "is required"),
        ({"start_us": MIN_US - 1}, "start_time", "must be in the years 1 to 9999 of UTC"),
        ({"end_us": MAX_US + 1}, "end_time", "must be in the years 1 to 9999 of UTC"),
        ({"end_us": NOW_US}, "end_time", "must be after start_time"),
        ({"start_us": NOW_US - 2, "end_us": NOW_US}, "end_time", "must be in the future"),
        ({"local_hours": ("9:00", "21:00")}, "local_hours.from", TIME_OF_DAY),
        ({"local_hours": ("09:00", "24:00")}, "local_hours.to", TIME_OF_DAY),
        ({"local_hours": ("09:00", "09:00")}, "local_hours", "from and to must differ; leave it out to send all day"),
        ({"rate_limit": 0.0}, "rate_limit", RATE),
        ({"rate_limit": -1.0}, "rate_limit", RATE),
        ({"rate_limit": 100_001.0}, "rate_limit", RATE),
        ({"rate_limit": float("nan")}, "rate_limit", RATE),
        ({"rate_limit": float("inf")}, "rate_limit", RATE),
        ({"on_uncertain": "maybe"}, "on_uncertain", "must be one of resend, not_sent"),
    ],
)
def test_a_bad_mailing_field(changes: dict[str, Any], field: str, message: str) -> None:
    assert bad_mailing_fields(**changes) == [(field, message)]


def test_every_bad_field_of_a_mailing_is_told() -> None:
    found = bad_mailing_fields(
        text="",
        filter=AudienceFilter(("\0", "ok", "\0"), ("x",)),
        start_us=None,
        end_us=NOW_US - 1,
        local_hours=("", ""),
        rate_limit=0.0,
        on_uncertain="?",
    )
    assert [field for field, _ in found] == [
        *("text", "filter.tags[0]", "filter.tags[2]", "filter.phone_codes[0]", "start_time", "end_time"),
        *("local_hours.from", "local_hours.to", "rate_limit", "on_uncertain"),
    ]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ((None, None), (None, None)),
        (("", ""), ("", "UTC")),
        (("new", None), ("new", None)),
        ((None, "Asia/Omsk"), (None, "Asia/Omsk")),
    ],
)
def test_a_change_of_many_clients(given: tuple[str | None, str | None], stored: tuple[str | None, str | None]) -> None:
    assert valid_change(*given) == stored


def test_a_bad_change_of_many_clients_names_every_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        valid_change("t" * 65, "Mars/Olympus")
    assert [error.field for error in caught.value.errors] == ["tag", "time_zone"]
