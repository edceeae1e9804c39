"""Receipts in a provider's own form."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.provider.receipt_table import Receipts
from engine.provider.receipts import ProviderReceipt, Receiver, UnreadableReceipts

BASE: Final[dict[str, Any]] = {
    "format": "json",
    "id": "/ref",
    "provider_message_id": "/id",
    "status": "/state/name",
    "delivered": ["DELIVERED", 1],
    "undelivered": ["FAILED", 2],
    "time": "/time",
    "code": "/error/code",
    "detail": "/error/text",
    "secret": {"header": "X-Key", "value": "{secret.key}"},
}
FORM: Final[dict[str, Any]] = {
    **{key: BASE[key] for key in ("delivered", "undelivered", "secret")},
    "format": "form",
    "id": "ref",
    "status": "st",
    "time": "ts",
    "time_format": "seconds",
}
KEY: Final = "s3cret of receipts"


def receiver(table: dict[str, Any], **changed: Any) -> Receiver:
    return Receiver(Receipts.model_validate({**table, **changed}), {"key": KEY, "user": "u"})


def parsed(table: dict[str, Any], body: object, **changed: Any) -> list[ProviderReceipt]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return receiver(table, **changed).parse("", "", content).receipts


def entry(**changed: Any) -> dict[str, Any]:
    return {"ref": "7", "id": "p-7", "state": {"name": "DELIVERED"}, "time": "2026-11-29T12:00:00+03:00", **changed}


NOON_US: Final = 1_795_942_800 * 10**6


def test_one_and_several_and_at_a_pointer() -> None:
    receipt = ProviderReceipt(7, "p-7", True, NOON_US, "", "")
    assert parsed(BASE, entry()) == [receipt]
    assert parsed(BASE, [entry(), entry(ref=8)]) == [receipt, receipt._replace(message_id=8)]
    assert parsed(BASE, {"results": [entry()]}, list="/results") == [receipt]
    assert parsed(BASE, {"results": entry()}, list="/results") == [receipt]
    failed = entry(state={"name": 2}, error={"code": 17, "text": "absent\nsubscriber"})
    assert parsed(BASE, failed) == [receipt._replace(delivered=False, code="17", detail="absent subscriber")]


def test_a_status_on_the_way_is_ignored_and_an_entry_without_an_id_is_counted() -> None:
    found = receiver(BASE).parse(
        "", "", orjson.dumps([entry(state={"name": "SENT"}), entry(ref="x", id=None), 5, entry()])
    )
    assert (len(found.receipts), found.ignored, found.unreadable) == (1, 2, 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b'"x"', b"7"])
def test_what_is_no_list_and_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableReceipts, match="no list and no object at its top"):
        receiver(BASE).parse("application/json", "", body)
    with pytest.raises(UnreadableReceipts, match="at /a"):
        receiver(BASE, list="/a").parse("application/json", "", b'{"b": []}')


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("7", 7),
        (7, 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("0", None),
        ("-1", None),
        ("7a", None),
        ("٧", None),
    ],
)
def test_our_id(ref: object, expected: int | None) -> None:
    assert parsed(BASE, entry(ref=ref))[0].message_id == expected


def test_our_id_within_a_text() -> None:
    assert parsed(BASE, entry(ref="mailing-7"), id_pattern=r"mailing-(\d+)")[0].message_id == 7
    assert parsed(BASE, entry(ref="other-7"), id_pattern=r"mailing-(\d+)")[0].message_id is None


@pytest.mark.parametrize(
    ("form", "zone", "text", "expected"),
    [
        ("rfc3339", "UTC", "2026-11-29T09:00:00Z", NOON_US),
        ("rfc3339", "UTC", "2026-11-29T09:00:00.000+0000", NOON_US),
        ("rfc3339", "Europe/Moscow", "2026-11-29 12:00:00", NOON_US),
        ("rfc3339", "UTC", "2026-11-29T09:00:00.123456Z", NOON_US + 123456),
        ("seconds", "UTC", "1795942800", NOON_US),
        ("seconds", "UTC", 1795942800.5, NOON_US + 500000),
        ("milliseconds", "UTC", 1795942800123, NOON_US + 123000),
        ("%d.%m.%Y %H:%M:%S", "Europe/Moscow", "29.11.2026 12:00:00", NOON_US),
        ("%y%m%d%H%M", "UTC", "2611290900", NOON_US),
        ("%d.%m.%Y %H:%M %z", "UTC", "29.11.2026 12:00 +0300", NOON_US),
        ("rfc3339", "UTC", "yesterday", None),
        ("rfc3339", "UTC", None, None),
        ("seconds", "UTC", "nan", None),
        ("seconds", "UTC", "inf", None),
        ("seconds", "UTC", "1e400000", None),
        ("seconds", "UTC", -5, None),
        ("seconds", "UTC", "0", None),
        ("rfc3339", "Europe/Moscow", "0001-01-01T00:00:00", None),
    ],
)
def test_time(form: str, zone: str, text: object, expected: int | None) -> None:
    assert parsed(BASE, entry(time=text), time_format=form, time_zone=zone)[0].time_us == expected


def test_a_form_and_a_query() -> None:
    fields = "ref=7&st=1&ts=1795942800&more=%D0%AF"
    receipt = ProviderReceipt(7, None, True, NOON_US, "", "")
    assert parsed(FORM, fields.encode()) == [receipt]
    assert receiver(FORM, format="query").parse("", fields, b"ignored").receipts == [receipt]


@pytest.mark.parametrize("format", ["form", "query"])
@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ("", "st"),
        ("ref=7&pid=p-7", "st"),
        ("st=1&text=Hi", "ref or pid"),
        ('{"ref": "7", "st": 1}', "st"),
        ("ref=7&st=WAIT", ""),
        ("pid=&st=1", ""),
    ],
)
def test_a_form_without_a_status_or_an_id_is_unreadable(format: str, fields: str, missing: str) -> None:
    table = {**FORM, "format": format, "provider_message_id": "pid"}
    if missing:
        with pytest.raises(UnreadableReceipts, match=f"^the {format} has no field {missing}$"):
            receiver(table).parse("", fields, fields.encode())
    else:
        assert receiver(table).parse("", fields, fields.encode()).receipts == []


def test_code_and_detail_are_bounded_and_hide_numbers() -> None:
    (receipt,) = parsed(BASE, entry(error={"code": "c" * 100, "text": "to +7 916 123-45-67: " + "d" * 300}))
    assert len(receipt.code) == 64
    assert len(receipt.detail) == 200
    assert "123-45-67" not in receipt.detail


@pytest.mark.parametrize(
    ("secret", "headers", "query", "allowed"),
    [
        ({"header": "X-Key", "value": "{secret.key}"}, {"x-key": KEY}, "", True),
        ({"header": "X-Key", "value": "{secret.key}"}, {"x-key": KEY + "x"}, "", False),
        ({"header": "X-Key", "value": "{secret.key}"}, {"x-key": "ключ"}, "", False),
        ({"header": "X-Key", "value": "{secret.key}"}, {}, f"X-Key={KEY}", False),
        ({"header": "Authorization", "value": "Token {secret.key}"}, {"authorization": f"Token {KEY}"}, "", True),
        ({"query": "k", "value": "{secret.key}"}, {}, "a=1&k=s3cret+of%20receipts", True),
        ({"query": "k", "value": "{secret.key}"}, {}, "a=1", False),
        ({"query": "k", "value": "{secret.key}"}, {}, "k=s3cret+of%20receipts&k=", False),
        (
            {"basic": {"user": "{secret.user}", "password": "{secret.key}"}},
            {"authorization": "Basic dTpzM2NyZXQgb2YgcmVjZWlwdHM="},
            "",
            True,
        ),
        ({"basic": {"user": "{secret.user}", "password": "{secret.key}"}}, {"authorization": f"u:{KEY}"}, "", False),
    ],
)
def test_only_who_has_the_secret_is_allowed(
    secret: dict[str, Any], headers: dict[str, str], query: str, allowed: bool
) -> None:
    assert receiver(BASE, secret=secret).is_allowed(headers, query) is allowed


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists).map(repr).map(str.encode)
)
def test_any_body_is_parsed_or_unreadable(body: bytes) -> None:
    for table in (BASE, FORM):
        try:
            found = receiver(table).parse("application/json; charset=x", "", body)
        except UnreadableReceipts:
            continue
        assert all(each.message_id is not None or each.provider_message_id for each in found.receipts)
