"""The engine finds what is beyond the limits of the contract and what the domain does not understand, together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.contract.reader import fields_of
from engine.api.batches import batch_change
from engine.api.by_name import timestamp
from engine.api.convert import client_input, client_query, mailing_input
from engine.domain.errors import InvalidInput
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import BatchUpdateClientsRequest, ExportClientsRequest, ListClientsRequest
from mailing.v1.mailing_pb2 import AudienceFilter, LocalHours, Mailing

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000
PHONE = "79161234567"


def bad(make: Callable[..., object], *arguments: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        make(*arguments)
    return [(error.field, error.fault) for error in caught.value.errors]


def mailing(**values: Any) -> Mailing:
    times = {"start_time": timestamp(NOW_US), "end_time": timestamp(NOW_US + HOUR_US)}
    return Mailing(**{"text": "Hello", **times, **values})


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"phone_number": "12"}, "phone_number", "must have 11 digits, 7XXXXXXXXXX, not 2"),
        ({"phone_number": "9" * 101}, "phone_number", "must have at most 100 characters, not 101"),
        *(
            ({"phone_code": code}, "phone_code", "must be 1 to 16 digits, or empty")
            for code in ("91a", "٩", "1" * 17, "916\n")
        ),
        ({"tag": "t" * 65}, "tag", "must have at most 64 characters, not 65"),
        ({"tag": "a\0b"}, "tag", "must not contain the character U+0000"),
        (
            {"time_zone": "Mars/Base"},
            "time_zone",
            'must be a time zone: an IANA name like "Europe/Moscow", an offset like "UTC+3", or a city',
        ),
        *(
            ({"language": text}, "language", 'must be a BCP 47 language tag, like "ru" or "pt-BR", or empty')
            for text in ("русский", "russian", "r", "ru_RU", "ru-", "-ru", "ru-RU-RU", "ru RU", "ru\n", "\0", "en-a")
        ),
        ({"language": "en-x" + "-abcdefgh" * 4}, "language", "must have at most 35 characters, not 40"),
        ({"time_zone": "z" * 101}, "time_zone", "must have at most 100 characters, not 101"),
    ],
)
def test_a_bad_field_of_a_client_is_told_once(values: dict[str, Any], field: str, message: str) -> None:
    assert bad(client_input, Client(**({"phone_number": PHONE} | values)), "UTC") == [(field, message)]


def test_all_bad_fields_of_a_client_are_told_in_the_order_of_the_contract() -> None:
    found = bad(client_input, Client(phone_number="x", phone_code="y", tag="\0", time_zone="z", language="?"), "UTC")
    assert [field for field, _ in found] == ["phone_number", "phone_code", "tag", "time_zone", "language"]


def test_limits_of_a_client_are_inclusive() -> None:
    client = client_input(Client(phone_number=PHONE, phone_code="1" * 16, tag="я" * 64), "UTC")
    assert (len(client.phone_code), len(client.tag)) == (16, 64)


RATE = "must be more than 0 and at most 100000 messages a second; leave it out for no limit"
DIGITS = "must be 1 to 16 digits"


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"text": ""}, "text", "must have 1 to 4096 characters, not 0"),
        ({"text": "\ufeff"}, "text", "must have 1 to 4096 characters, not 0"),
        ({"text": "x" * 4097}, "text", "must have 1 to 4096 characters, not 4097"),
        ({"text": "a\0b"}, "text", "must not contain the character U+0000"),
        ({"text": "ж" * 671}, "text", "must take at most 10 SMS segments, not 11 (the limit is MAILING_SEGMENTS_MAX)"),
        (
            {"filter": AudienceFilter(tags=["a", "t" * 65])},
            "filter.tags[1]",
            "must have at most 64 characters, not 65",
        ),
        ({"filter": AudienceFilter(phone_codes=["1", "2", "x"])}, "filter.phone_codes[2]", DIGITS),
        ({"filter": AudienceFilter(phone_codes=[""])}, "filter.phone_codes[0]", DIGITS),
        ({"filter": AudienceFilter(tags=["a"] * 1001)}, "filter.tags", "must have at most 1000 entries, not 1001"),
        ({"start_time": None}, "start_time", "is required"),
        ({"local_hours": LocalHours(**{"from": "9:00"}, to="21:00")}, "local_hours.from", None),
        *(({"rate_limit": rate}, "rate_limit", RATE) for rate in (0.0, -1.0, 100_001.0, float("nan"), float("inf"))),
        ({"on_uncertain": 77}, "on_uncertain", "must be one of resend, not_sent"),
    ],
)
def test_a_bad_field_of_a_mailing_is_told_once(values: dict[str, Any], field: str, message: str | None) -> None:
    ((found_field, found_message),) = bad(mailing_input, mailing(**values), NOW_US, 10)
    assert found_field == field
    assert message is None or found_message == message


def test_all_bad_fields_of_a_mailing_are_told_in_the_order_of_the_contract() -> None:
    found = bad(
        mailing_input,
        Mailing(
            filter=AudienceFilter(tags=["\0", "ok", "\0"], phone_codes=["x"]),
            end_time=timestamp(NOW_US - 1),
            local_hours=LocalHours(),
            rate_limit=0,
            on_uncertain=77,  # type: ignore[arg-type]  # what a caller of another version may send
        ),
        NOW_US,
        10,
    )
    assert [field for field, _ in found] == [
        *("text", "filter.tags[0]", "filter.tags[2]", "filter.phone_codes[0]", "start_time", "end_time"),
        *("local_hours.from", "local_hours.to", "rate_limit", "on_uncertain"),
    ]


def test_limits_of_a_mailing_are_inclusive() -> None:
    entries = [str(number) for number in range(1000)]
    audience = AudienceFilter(tags=entries, phone_codes=entries)
    made = mailing_input(mailing(text="x" * 4096, filter=audience, rate_limit=100_000.0), NOW_US, 27)
    assert (len(made.text), len(made.filter.tags), made.rate_limit) == (4096, 1000, 100_000.0)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_byte_order_mark_before_a_text_is_dropped_before_it_is_counted(text: str) -> None:
    bare = text.lstrip("\ufeff")
    assume(bare and "\0" not in bare)
    for marks in ("", "\ufeff", "\ufeff\ufeff"):
        assert mailing_input(mailing(text=marks + bare), NOW_US, None).text == bare
    assert len(mailing_input(mailing(text="\ufeff" + "x" * 4096), NOW_US, None).text) == 4096


def test_of_a_change_of_many_only_what_the_mask_names_is_looked_at() -> None:
    request = BatchUpdateClientsRequest(client=Client(tag="t" * 65, time_zone="Mars/Olympus", phone_code="x"))
    request.update_mask.paths.extend(["time_zone", "tag"])
    assert [field for field, _ in bad(batch_change, request, "UTC")] == ["tag", "time_zone"]
    del request.update_mask.paths[1:]
    request.client.time_zone = ""
    change = batch_change(request, "Asia/Omsk")
    assert (change.tag, change.time_zone) == (None, "Asia/Omsk")


def test_a_language_is_found_in_whatever_case_it_is_asked_for() -> None:
    assert client_input(Client(phone_number=PHONE, language="PT-br"), "UTC").language == "pt-BR"
    assert client_query(ListClientsRequest(language="PT-br")).language == "pt-BR"
    assert client_query(ListClientsRequest(language="")).language == ""
    assert client_query(ListClientsRequest()).language is None


def test_filters_of_clients() -> None:
    query = client_query(ListClientsRequest(phone_contains="8 (916) 123-45-67", tag=""))
    assert (query.phone_number, query.phone_contains, query.tag, query.time_zone) == (79161234567, None, "", None)
    found = bad(client_query, ListClientsRequest(phone_number="x", phone_contains="1", tag="\0", time_zone="\0"))
    assert sorted(field for field, _ in found) == ["phone_contains", "phone_number", "tag", "time_zone"]


@pytest.mark.parametrize("kind", [ListClientsRequest, ExportClientsRequest])
def test_a_filter_that_no_client_can_have_is_refused_and_all_of_them_are_named(kind: Any) -> None:
    """It would find nobody, which is another thing than that there is nobody."""
    request = kind(tag="x" * 65, phone_code="+7", phone_number="1", time_zone="x" * 101, language="not a tag")
    found = bad(client_query, request)
    assert [field for field, _ in found] == [
        field.name for field in fields_of(kind.DESCRIPTOR) if field.has_presence and field.name != "phone_contains"
    ]
    assert client_query(kind(tag="", phone_code="", language="")).phone_code == ""
