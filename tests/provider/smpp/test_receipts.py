from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.provider.receipts import ProviderReceipt
from engine.provider.smpp.receipts import Delivered, ReceiptIds, read_receipt, told_id

APPENDIX_B = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2611290900 done date:2611290901 stat:{} err:{} text:stat:EXPIRED id:9"
)
"""The form of the specification, with a message that looks like a receipt itself."""


def _text(text: str, esm_class: int = 4, **tlvs: bytes) -> Delivered:
    tags = {"id": 0x1E, "state": 0x427, "network": 0x423, "payload": 0x424}
    return Delivered(esm_class, text.encode("latin-1"), {tags[name]: value for name, value in tlvs.items()})


def _receipt(
    message_id: str, delivered: bool, detail: str, code: str = "", time_us: int | None = None
) -> ProviderReceipt:
    return ProviderReceipt(None, message_id, delivered, time_us, code, detail)


@pytest.mark.parametrize(
    ("delivered", "receipt"),
    [
        (_text(APPENDIX_B.format("DELIVRD", "000")), _receipt("0123456789", True, "DELIVRD")),
        (_text(APPENDIX_B.format("UNDELIV", "00B")), _receipt("0123456789", False, "UNDELIV", "00B")),
        (_text(APPENDIX_B.format("EXPIRED", "001")), _receipt("0123456789", False, "EXPIRED", "001")),
        (_text(APPENDIX_B.format("DELETED", "0")), _receipt("0123456789", False, "DELETED")),
        (_text(APPENDIX_B.format("REJECTD", "69")), _receipt("0123456789", False, "REJECTD", "69")),
        # In full, in small letters, with a space after the colon, in another order, without a name that is known.
        (_text("id:7 stat:delivered err:000"), _receipt("7", True, "DELIVERED")),
        (_text("stat: UNDELIVERABLE id: a-7"), _receipt("a-7", False, "UNDELIVERABLE")),
        (_text("ID:7 STAT:FAILED"), _receipt("7", False, "FAILED")),
        # As parameters only; with and without the octet that ends a text; more precise than the text.
        (_text("", id=b"42\0", state=b"\2"), _receipt("42", True, "DELIVRD")),
        (_text("", id=b"42", state=b"\0\0\0\5", network=b"\3\1\x02"), _receipt("42", False, "UNDELIV", "3:258")),
        (_text("id:7 stat:UNDELIV err:009", id=b"ab\0", state=b"\2"), _receipt("ab", True, "DELIVRD", "009")),
        (_text("id:7 stat:DELIVRD", network=b"\3\0\0"), _receipt("7", True, "DELIVRD")),
        (_text("", payload=b"id:7 stat:DELIVRD"), _receipt("7", True, "DELIVRD")),
        # Some centres forget to say that it is a receipt, or give it a header.
        (_text("id:7 stat:DELIVRD", esm_class=0), _receipt("7", True, "DELIVRD")),
        (_text("\5\0\3\1\2\1id:7 stat:DELIVRD", esm_class=0x44), _receipt("7", True, "DELIVRD")),
    ],
)
def test_forms(delivered: Delivered, receipt: ProviderReceipt) -> None:
    assert read_receipt(delivered) == receipt


@pytest.mark.parametrize(
    "delivered",
    [
        _text("id:7 stat:ENROUTE"),
        _text("id:7 stat:ACCEPTD"),
        _text("id:7 stat:UNKNOWN"),
        _text("", id=b"7\0", state=b"\1"),
        _text("", id=b"7\0", state=b"\x63"),
        _text("", id=b"7\0"),
        _text("stat:DELIVRD"),
        _text("id: stat:DELIVRD"),
        _text(f"id:{'7' * 256} stat:DELIVRD"),
        _text("STOP", esm_class=0),
        _text("", esm_class=0x44),
        _text("id:7 stat:DELIVRD", esm_class=0x08),
        _text("id:7 stat:DELIVRD", esm_class=0x20),
        _text("text:id:7 stat:DELIVRD"),
    ],
)
def test_no_receipts(delivered: Delivered) -> None:
    """On the way, without an id, a reply of a client, an acknowledgement."""
    assert read_receipt(delivered) is None


@pytest.mark.parametrize(
    ("done", "zone", "time"),
    [
        ("2611290901", UTC, datetime(2026, 11, 29, 9, 1, tzinfo=UTC)),
        ("261129090159", UTC, datetime(2026, 11, 29, 9, 1, 59, tzinfo=UTC)),
        ("2611290901", ZoneInfo("Europe/Moscow"), datetime(2026, 11, 29, 6, 1, tzinfo=UTC)),
        ("2611290901", None, None),
        ("2613290901", UTC, None),
        ("261129", UTC, None),
        ("", UTC, None),
    ],
)
def test_when(done: str, zone: ZoneInfo | None, time: datetime | None) -> None:
    """A time of nobody knows which zone is none."""
    receipt = read_receipt(_text(f"id:7 done date:{done} stat:DELIVRD"), zone=zone)
    assert receipt is not None
    expected = None if time is None else (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert receipt.time_us == expected


@pytest.mark.parametrize(
    ("ids", "told", "named"),
    [
        (ReceiptIds.SAME, "0000001A", "0000001A"),
        (ReceiptIds.DECIMAL, "0000001A", "26"),
        (ReceiptIds.DECIMAL, "1a", "0000000026"),
        (ReceiptIds.HEX, "26", "1A"),
        (ReceiptIds.HEX, "0000000026", "0000001a"),
        (ReceiptIds.DECIMAL, "not-a-number", "not-a-number"),
    ],
)
def test_ids_of_response_and_receipt_meet(ids: ReceiptIds, told: str, named: str) -> None:
    receipt = read_receipt(_text(f"id:{named} stat:DELIVRD"), ids)
    assert receipt is not None
    assert receipt.provider_message_id == told_id(told, ids)
    # The parameter has the id as the response had it (5.3.2.12), whatever the text has.
    by_parameter = read_receipt(_text(f"id:{named} stat:DELIVRD", id=told.encode() + b"\0"), ids)
    assert by_parameter is not None
    assert by_parameter.provider_message_id == told_id(told, ids)


@given(
    st.integers(0, 255),
    st.binary(max_size=254),
    st.dictionaries(st.sampled_from([0x1E, 0x423, 0x424, 0x427, 0x1403]), st.binary(max_size=80)),
    st.sampled_from(ReceiptIds),
)
def test_whatever_comes_is_read_or_passed_over(
    esm_class: int, text: bytes, tlvs: dict[int, bytes], ids: ReceiptIds
) -> None:
    receipt = read_receipt(Delivered(esm_class, text, tlvs), ids, UTC)
    if receipt is not None:
        assert receipt.provider_message_id
        assert all(each.isprintable() for each in (receipt.provider_message_id, receipt.code, receipt.detail))


@pytest.mark.parametrize(("told", "kept"), [("a\0b", "a b"), (" 7 ", "7"), ("7" * 300, ""), ("\n", "")])
def test_an_id_that_can_not_be_kept_is_none(told: str, kept: str) -> None:
    assert told_id(told, ReceiptIds.SAME) == kept
