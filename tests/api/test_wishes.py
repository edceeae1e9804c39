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
    PreviewMailingResponse,
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


MOBILE, OTHER, CITY = "79160000001", "79030000001", "74950000001"
ALPHA = Way(1, name="alpha", ranges=ranges_of(["7916"]), price=1_100_000)
CAROL = Way(2, name="carol", ranges=ranges_of(["7495"]), price=2_500_000)
BETA = Way(3, name="beta", price=1)


async def previewed(api: Api, **fields: object) -> PreviewMailingResponse:
    return await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=api.a_mailing(**fields)))


@pytest.mark.parametrize("text", ["hello", "to {{phone_number}}", "to {{nickname}}"])
async def test_who_gets_nothing_because_of_the_number_counts_nowhere(api: Api, text: str) -> None:
    await api.add_client(OTHER)
    await api.add_client(CITY)
    api.control.providers = (ALPHA, CAROL, BETA)
    found = await previewed(api, provider="alpha", text=text)
    assert (found.audience, found.recipients, found.incomplete, found.segments_total, found.cost) == (2, 0, 0, 0, 0)
    assert (found.forecast.missed, found.forecast.HasField("completion_time"), list(found.samples)) == (2, False, [])
    assert [each.code for each in found.warnings] == ["NUMBERS_NOT_SERVED"]
    mobile = (await api.add_client(MOBILE)).id
    found = await previewed(api, provider="alpha", text=text)
    lacking = int("nickname" in text)
    assert (found.audience, found.recipients, found.incomplete) == (3, 1 - lacking, lacking)
    assert (found.segments_total, found.cost) == (1 - lacking, 1.1 * (1 - lacking))
    assert [each.client_id for each in found.samples] == [mobile] * (1 - lacking)
    assert found.forecast.missed == 2


@pytest.mark.parametrize(
    ("numbers", "text", "cost"),
    [
        ([MOBILE], "hello", 1.1),
        ([CITY], "hello", 2.5),
        ([OTHER], "hello", 0.000001),
        ([MOBILE, CITY, OTHER], "hello", 3.600001),
        ([MOBILE, CITY], "h" * 161, 7.2),
        ([MOBILE, CITY], "{{tag|" + "h" * 161 + "}}", 1.1 * 2 + 2.5),  # the mobile one has no tag
    ],
)
async def test_each_number_costs_what_its_own_providers_take(
    api: Api, numbers: list[str], text: str, cost: float
) -> None:
    for number in numbers:
        await api.add_client(number, tag="" if number == MOBILE else "t")
    api.control.providers = (ALPHA, CAROL, BETA)
    assert (await previewed(api, text=text)).cost == cost


async def test_a_price_that_nobody_of_the_audience_pays_is_not_known(api: Api) -> None:
    await api.add_client(OTHER)
    api.control.providers = (ALPHA, Way(2, name="free"))
    assert not (await previewed(api)).HasField("cost")
    await api.add_client(MOBILE)
    assert (await previewed(api)).cost == 1.1


@pytest.mark.parametrize(("budget", "is_enough"), [(1.0, False), (1.1, True)])
async def test_a_budget_is_compared_with_what_this_audience_pays(api: Api, budget: float, is_enough: bool) -> None:
    await api.add_client(MOBILE)
    api.control.providers = (ALPHA, CAROL, BETA)
    expected = [] if is_enough else [("BUDGET_BELOW_MESSAGE", "budget", {"cost": "1.1"})]
    found = (await previewed(api, budget=budget)).warnings
    assert [(each.code, each.field, dict(each.arguments)) for each in found] == expected
    made = await api.add_mailing(budget=budget)
    assert await warned(api, made.id) == expected


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
