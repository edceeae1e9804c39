"""What a mailing asks of its provider."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from engine.api import wishes
from engine.domain.routing import Way, ranges_of
from mailing.v1.mailing_pb2 import Mailing
from mailing.v1.mailing_service_pb2 import (
    CancelMailingRequest,
    GetMailingRequest,
    PreviewMailingRequest,
    UpdateMailingRequest,
)
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


async def warned(api: Api, mailing_id: int) -> list[tuple[str, str, dict[str, str]]]:
    """What is said of a mailing that is read."""
    found = await api.mailings.GetMailing(GetMailingRequest(mailing_id=mailing_id))
    return [(each.code, each.field, dict(each.arguments)) for each in found.warnings]


async def test_a_mailing_that_is_read_warns_as_the_preview_did(api: Api) -> None:
    for number in ("74950000001", "79160000001", "79160000002"):
        await api.add_client(number)
    plain, tight = await api.add_mailing(), await api.add_mailing(budget=0.5)
    assert await warned(api, plain.id) == await warned(api, tight.id) == []
    api.control.providers = (Way(1, name="a", ranges=ranges_of(["7495"]), price=600_000),)
    numbers = ("NUMBERS_NOT_SERVED", "provider", {"count": "2"})
    budget = ("BUDGET_BELOW_MESSAGE", "budget", {"cost": "0.6"})
    assert await warned(api, plain.id) == [numbers]
    assert await warned(api, tight.id) == [budget, numbers]
    asked = PreviewMailingRequest(mailing=api.a_mailing(budget=0.5))
    found = (await api.mailings.PreviewMailing(asked)).warnings
    assert {(each.code, each.field) for each in found} == {each[:2] for each in (numbers, budget)}
    tight.budget = 0.55
    assert [each.code for each in (await update(api, tight, "budget")).warnings] == ["BUDGET_BELOW_MESSAGE"]
    # The rest of it waits for nobody any more.
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=tight.id))
    assert await warned(api, tight.id) == []


async def test_of_a_large_mailing_those_that_have_waited_longest_are_looked_at(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("79160000001", "79160000002", "74950000001"):
        await api.add_client(number)
    made = await api.add_mailing()
    api.control.providers = OF_MOSCOW
    monkeypatch.setattr(wishes, "_LOOK_AT_MAX", 1)
    assert await warned(api, made.id) == [("NUMBERS_NOT_SERVED", "provider", {"count": "1"})]


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
