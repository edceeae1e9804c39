"""Rule 15: 1 to 4096 characters, no BOM before them, and so many SMS segments at most, which the API reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from mailing.v1 import mailing_pb2, mailing_service_pb2, message_service_pb2
from tests.rules.rig import Rig, running, until

GSM7, UCS2 = mailing_service_pb2.TEXT_ENCODING_GSM7, mailing_service_pb2.TEXT_ENCODING_UCS2
SEGMENTS = {
    "a": (GSM7, 1, 1),
    "a" * 160: (GSM7, 160, 1),
    "a" * 161: (GSM7, 161, 2),
    "a" * 306: (GSM7, 306, 2),
    "a" * 307: (GSM7, 307, 3),
    "€" * 80: (GSM7, 160, 1),
    "€" * 80 + "a": (GSM7, 161, 2),
    # An escape and its code are not torn apart: 76 of them and a gap in each part.
    "€" * 153: (GSM7, 306, 3),
    "ж": (UCS2, 1, 1),
    "ж" * 70: (UCS2, 70, 1),
    "ж" * 71: (UCS2, 71, 2),
    "ж" * 134: (UCS2, 134, 2),
    "ж" * 135: (UCS2, 135, 3),
    "a" * 69 + "ж": (UCS2, 70, 1),
    "😀" * 35: (UCS2, 70, 1),
    "😀" * 36: (UCS2, 72, 2),
    "😀" * 67: (UCS2, 134, 3),
    "a" * 4096: (GSM7, 4096, 27),
    "ж" * 4096: (UCS2, 4096, 62),
    "😀" * 4096: (UCS2, 8192, 125),
}
"""A text: its encoding, units and segments."""


async def preview(rig: Rig, text: str) -> mailing_service_pb2.PreviewMailingResponse:
    mailing = mailing_pb2.Mailing(text=text)
    mailing.start_time.GetCurrentTime()
    mailing.end_time.FromSeconds(mailing.start_time.seconds + 60)
    return await rig.mailings.PreviewMailing(mailing_service_pb2.PreviewMailingRequest(mailing=mailing))


async def test_rule_15_segments_are_reported_for_a_preview_a_mailing_and_a_list(tmp_path: Path) -> None:
    async with running(tmp_path, segments_max=125) as rig:
        for text, (encoding, units, segments) in SEGMENTS.items():
            told = await preview(rig, text)
            assert (told.encoding, told.units, told.segments) == (encoding, units, segments), text[:3]
            mailing = await rig.register(text=text, start_seconds=60)
            assert (mailing.segments, mailing.text) == (segments, text)
        listed = (await rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest(page_size=100))).mailings
        assert {mailing.text: mailing.segments for mailing in listed} == {
            text: segments for text, (_, _, segments) in SEGMENTS.items()
        }
        changed = mailing_pb2.Mailing(id=listed[0].id, text="ж" * 71)
        update = mailing_service_pb2.UpdateMailingRequest(mailing=changed, update_mask=FieldMask(paths=["text"]))
        assert (await rig.mailings.UpdateMailing(update)).segments == 2


@pytest.mark.parametrize("text", ["", "a" * 4097, "😀" * 4097], ids=["empty", "too long", "too long in pairs"])
async def test_rule_15_other_lengths_are_refused_and_nothing_is_stored(tmp_path: Path, text: str) -> None:
    async with running(tmp_path) as rig:
        kept = await rig.register(text="kept", start_seconds=60)
        update = mailing_service_pb2.UpdateMailingRequest(
            mailing=mailing_pb2.Mailing(id=kept.id, text=text), update_mask=FieldMask(paths=["text"])
        )
        for call in (rig.register(text=text), preview(rig, text), rig.mailings.UpdateMailing(update)):
            with pytest.raises(aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is StatusCode.INVALID_ARGUMENT
            assert _bad_fields(caught.value) == ["text"]
        found = await rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest())
        assert [mailing.text for mailing in found.mailings] == ["kept"]


@pytest.mark.parametrize(("limit", "settings"), [(10, {}), (3, {"segments_max": 3})], ids=["default", "set"])
async def test_rule_15_more_segments_than_the_limit_are_refused_and_nothing_is_stored(
    tmp_path: Path, limit: int, settings: dict[str, Any]
) -> None:
    most, more = "ж" * 67 * limit, "ж" * (67 * limit + 1)
    words = f"must take at most {limit} SMS segments, not {limit + 1} (the limit is MAILING_SEGMENTS_MAX)"
    async with running(tmp_path, **settings) as rig:
        kept = await rig.register(text=most, start_seconds=60)
        assert (await preview(rig, most)).segments == kept.segments == limit
        update = mailing_service_pb2.UpdateMailingRequest(
            mailing=mailing_pb2.Mailing(id=kept.id, text=more), update_mask=FieldMask(paths=["text"])
        )
        for call in (rig.register(text=more), preview(rig, more), rig.mailings.UpdateMailing(update)):
            with pytest.raises(aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is StatusCode.INVALID_ARGUMENT
            assert _violations(caught.value) == {"text": words}
        found = await rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest())
        assert [mailing.text for mailing in found.mailings] == [most]


async def test_rule_15_a_mailing_of_before_the_limit_was_lowered_can_be_edited_but_for_its_text(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        kept = await rig.register(text="ж" * 135, start_seconds=60)
    async with running(tmp_path, segments_max=2) as rig:
        update = mailing_service_pb2.UpdateMailingRequest()
        for rate, paths in ((5, ["rate_limit"]), (6, ["text", "rate_limit"])):
            changed = mailing_pb2.Mailing(id=kept.id, text=kept.text, rate_limit=rate)
            update = mailing_service_pb2.UpdateMailingRequest(mailing=changed, update_mask=FieldMask(paths=paths))
            answer = await rig.mailings.UpdateMailing(update)
            assert (answer.text, answer.rate_limit, answer.segments) == (kept.text, rate, 3)
        update.mailing.text += "!"
        with pytest.raises(aio.AioRpcError) as caught:
            await rig.mailings.UpdateMailing(update)
        assert _bad_fields(caught.value) == ["text"]


async def test_rule_15_a_byte_order_mark_before_a_text_does_not_go_out(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_client()
        told = await preview(rig, "\ufeffSale")
        assert (told.encoding, told.units, told.segments) == (GSM7, 4, 1)
        mailing = await rig.register(text="\ufeffSale")
        assert mailing.text == "Sale"
        assert await rig.finished(mailing.id) == (0, 1, 0)
        assert rig.sandbox.messages()[0]["text"] == "Sale"
        later = await rig.register(text="old", start_seconds=60)
        changed = mailing_pb2.Mailing(id=later.id, text="\ufeffnew")
        update = mailing_service_pb2.UpdateMailingRequest(mailing=changed, update_mask=FieldMask(paths=["text"]))
        assert (await rig.mailings.UpdateMailing(update)).text == "new"


def _bad_fields(error: aio.AioRpcError) -> list[str]:
    return list(_violations(error))


def _violations(error: aio.AioRpcError) -> dict[str, str]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    return {violation.field: violation.description for violation in bad.field_violations}


async def test_rule_15_the_provider_gets_the_text_to_the_letter(tmp_path: Path) -> None:
    texts = [
        "a",
        "ж" * 4096,
        "😀" * 4096,
        'quotes " \\ / and\nlines\r\n\ttabs',
        "  blanks  ",
        "e\u0301 \u00a0\u2028\u200b",
    ]
    async with running(tmp_path, segments_max=125) as rig:
        await rig.add_client()
        for text in texts:
            mailing = await rig.register(text=text)
            assert await rig.finished(mailing.id) == (0, 1, 0)
            assert rig.sandbox.messages()[0]["text"] == text


async def test_rule_15_a_message_says_which_text_went_out(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(3)
        mailing = await rig.register(text="before")
        await rig.finished(mailing.id)
        edit = mailing_pb2.Mailing(id=mailing.id, text="after")
        await rig.mailings.UpdateMailing(mailing_service_pb2.UpdateMailingRequest(mailing=edit))
        await rig.add_clients(2, first=10)
        await until(lambda: sent(rig, mailing.id, 5))
        listed = await rig.list_messages(mailing.id)
        assert [each.text_version for each in listed] == [1, 1, 1, 2, 2]
        for each in listed:
            told = await rig.messages.GetMessage(message_service_pb2.GetMessageRequest(message_id=each.id))
            assert told.text == rig.sandbox.calls(each.id)[-1].text
            assert told.final_time == told.sent_time
        stats = await rig.mailings.GetMailingStats(mailing_service_pb2.GetMailingStatsRequest(mailing_id=mailing.id))
        assert [(each.text, each.sent) for each in stats.text_versions] == [("before", 3), ("after", 2)]


async def sent(rig: Rig, mailing_id: int, number: int) -> bool:
    return (await rig.counts(mailing_id))[1] == number
