"""What a mailing asks of its provider."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from engine.domain.routing import Way, ranges_of
from mailing.v1.mailing_pb2 import Mailing
from mailing.v1.mailing_service_pb2 import PreviewMailingRequest, UpdateMailingRequest
from tests.api.conftest import Api, refusal

WAYS = (Way(1, name="a"), Way(2, name="b", senders=frozenset({"Shop"})))


OF_MOSCOW = (Way(1, name="a", ranges=ranges_of(["7495"])),)


async def test_the_preview_warns_of_numbers_that_nobody_takes(api: Api) -> None:
    for number in ("74950000001", "79160000001", "79160000002"):
        await api.add_client(number)
    asked = PreviewMailingRequest(mailing=api.a_mailing())
    assert list((await api.mailings.PreviewMailing(asked)).warnings) == []
    api.control.providers = OF_MOSCOW
    asked.mailing.text = "another question"
    (warning,) = (await api.mailings.PreviewMailing(asked)).warnings
    assert (warning.code, warning.field, dict(warning.arguments)) == ("NUMBERS_NOT_SERVED", "provider", {"count": "2"})


async def update(api: Api, mailing: Mailing, *paths: str) -> Mailing:
    return await api.mailings.UpdateMailing(UpdateMailingRequest(mailing=mailing, update_mask=FieldMask(paths=paths)))


async def test_a_mailing_may_name_its_provider_and_sender(api: Api) -> None:
    api.control.providers = WAYS
    made = await api.add_mailing(provider="b", sender="Shop")
    assert (made.provider, made.sender) == ("b", "Shop")
    assert not (await api.add_mailing()).HasField("provider")
    (plan, _) = sorted(await api.store.plans(api.clock.us), key=lambda plan: plan.mailing_id)
    assert (plan.provider, plan.sender) == ("b", "Shop")
    # The file may change: what stays as it is may still be edited.
    api.control.providers = WAYS[:1]
    changed = await update(api, Mailing(id=made.id, text="new", provider="b"), "text", "provider")
    assert (changed.text, changed.provider) == ("new", "b")
    changed = await update(api, Mailing(id=made.id), "provider", "sender")
    assert not changed.HasField("provider")
    assert not changed.HasField("sender")


@pytest.mark.parametrize(
    ("provider", "sender", "field", "code"),
    [
        ("c", None, "provider", "UNKNOWN_PROVIDER"),
        ("c", "Shop", "provider", "UNKNOWN_PROVIDER"),
        ("a", "Shop", "sender", "NO_SENDERS"),
        ("b", "Bank", "sender", "UNKNOWN_SENDER"),
        (None, "Bank", "sender", "UNKNOWN_SENDER"),
    ],
)
async def test_a_wish_that_nobody_can_fulfil_is_refused(
    api: Api, provider: str | None, sender: str | None, field: str, code: str
) -> None:
    api.control.providers = WAYS
    refused = await refusal(api.add_mailing(provider=provider, sender=sender, text=""))
    bad = refused.detail(error_details_pb2.BadRequest).field_violations
    assert {each.field for each in bad} == {field, "text"}
    assert code in {each.reason for each in bad}
