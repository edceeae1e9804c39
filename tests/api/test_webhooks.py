"""WebhookService and EventService over real gRPC: what is answered, what is bad, who may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from common.contract.reader import field_of
from engine.domain.events import TO_CHOOSE
from engine.store.rows import Actor
from mailing.v1 import event_pb2, event_service_pb2, webhook_service_pb2
from mailing.v1.event_service_pb2_grpc import EventServiceStub
from mailing.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.api.conftest import Api, refusal

URL = "https://example.com/hooks"
PENDING = event_pb2.WEBHOOK_DELIVERY_STATE_PENDING
DELIVERED = event_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED


def stub(api: Api) -> Any:
    return WebhookServiceStub(api.channel)


def webhook(url: str = URL, events: Any = ("mailing.started",), **more: Any) -> event_pb2.Webhook:
    return event_pb2.Webhook(url=url, events=events, **more)


async def made(api: Api, **more: Any) -> Any:
    return await stub(api).CreateWebhook(webhook_service_pb2.CreateWebhookRequest(webhook=webhook(**more)))


async def test_a_webhook_from_its_making_to_its_end(api: Api) -> None:
    created = await made(api, events=["mailing.started", "client.opted_out", "mailing.started"])
    assert created.secret.startswith("whsec_")
    assert list(created.events) == ["mailing.started", "client.opted_out"]
    assert created.active
    asked = webhook_service_pb2.GetWebhookRequest(webhook_id=created.id)
    got = await stub(api).GetWebhook(asked)
    assert (got.url, got.pending_count, got.create_time) == (URL, 0, created.create_time)
    listed = await stub(api).ListWebhooks(webhook_service_pb2.ListWebhooksRequest())
    assert ([each.id for each in listed.webhooks], listed.total_size) == ([created.id], 1)
    assert "whsec" not in str(listed)
    change = webhook_service_pb2.UpdateWebhookRequest(
        webhook=event_pb2.Webhook(id=created.id, active=False), update_mask=FieldMask(paths=["active"])
    )
    changed = await stub(api).UpdateWebhook(change)
    assert (changed.active, changed.url, list(changed.events)) == (False, URL, list(created.events))
    await stub(api).DeleteWebhook(webhook_service_pb2.DeleteWebhookRequest(webhook_id=created.id))
    assert (await refusal(stub(api).GetWebhook(asked))).code is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("bad", "fields"),
    [
        (webhook(url="http://127.0.0.1/"), {"url"}),
        (webhook(url="https://2130706433/"), {"url"}),
        (webhook(url="https://" + "a" * 2000 + ".com"), {"url"}),
        (webhook(url="", events=[]), {"url", "events"}),
        (webhook(events=["mailing.started", "mailing.burst", "webhook.test"]), {"events[1]", "events[2]"}),
    ],
)
async def test_what_is_bad_is_named(api: Api, bad: event_pb2.Webhook, fields: set[str]) -> None:
    created = await made(api)
    refused = await refusal(stub(api).CreateWebhook(webhook_service_pb2.CreateWebhookRequest(webhook=bad)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, fields)
    bad.id = created.id
    change = webhook_service_pb2.UpdateWebhookRequest(webhook=bad, update_mask=FieldMask(paths=["*"]))
    refused = await refusal(stub(api).UpdateWebhook(change))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, fields)


@pytest.mark.parametrize(
    ("message", "name"), [(event_pb2.Webhook, "events"), (event_service_pb2.ListEventsRequest, "type")]
)
def test_the_contract_names_the_events_that_there_are(message: Any, name: str) -> None:
    rules = field_of(message.DESCRIPTOR, name).rules
    assert rules.problem.values["choices"] == ", ".join(TO_CHOOSE)
    assert all(re.match(rules.pattern, kind) for kind in TO_CHOOSE)
    assert not any(re.match(rules.pattern, f"{kind}x") for kind in (*TO_CHOOSE, "webhook.test"))


async def test_a_repeat_gets_the_secret_too(api: Api) -> None:
    request = webhook_service_pb2.CreateWebhookRequest(webhook=webhook(), request_id="one")
    first = await stub(api).CreateWebhook(request)
    assert await stub(api).CreateWebhook(request) == first
    other = webhook_service_pb2.CreateWebhookRequest(webhook=webhook(url=f"{URL}/2"), request_id="one")
    assert (await refusal(stub(api).CreateWebhook(other))).bad == {"request_id"}


async def test_a_test_and_its_delivery(api: Api) -> None:
    created = await made(api)
    sent = await stub(api).TestWebhook(webhook_service_pb2.TestWebhookRequest(webhook_id=created.id))
    assert (sent.event_type, sent.state, sent.attempts) == ("webhook.test", PENDING, 0)
    assert sent.HasField("next_attempt_time")
    assert not sent.HasField("last_attempt_time")

    async def listed(state: Any = 0) -> list[int]:
        request = webhook_service_pb2.ListWebhookDeliveriesRequest(webhook_id=created.id, state=state)
        return [each.id for each in (await stub(api).ListWebhookDeliveries(request)).deliveries]

    assert (await listed(), await listed(PENDING), await listed(DELIVERED)) == ([sent.id], [sent.id], [])
    request = webhook_service_pb2.ListWebhookDeliveriesRequest(webhook_id=created.id, state=9)  # type: ignore[arg-type]
    assert (await refusal(stub(api).ListWebhookDeliveries(request))).bad == {"state"}
    off = event_pb2.Webhook(id=created.id, active=False)
    await stub(api).UpdateWebhook(webhook_service_pb2.UpdateWebhookRequest(webhook=off))
    refused = await refusal(stub(api).TestWebhook(webhook_service_pb2.TestWebhookRequest(webhook_id=created.id)))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "WEBHOOK_OFF")


async def test_events_from_a_place_on(api: Api) -> None:
    for _ in range(3):
        mailing = await api.add_mailing()
        await api.store.delete_mailing(mailing.id, by=Actor("tester", "here"), now_us=api.clock.us)
    await api.store.publish(api.clock.us)
    events: Any = EventServiceStub(api.channel)
    first = await events.ListEvents(event_service_pb2.ListEventsRequest(page_size=1))
    assert first.total_size == 3
    assert MessageToDict(first.events[0].data)["state"] == "deleted"
    after = event_service_pb2.ListEventsRequest(after=first.events[0].id, type="mailing.ended", page_size=1)
    second = await events.ListEvents(after)
    assert second.total_size == 2
    after.page_token = second.next_page_token
    third = await events.ListEvents(after)
    assert [each.events[0].id for each in (first, second, third)] == [1, 2, 3]
    assert third.next_page_token == ""
    for bad in ({"after": -1}, {"type": "webhook.test"}, {"type": "a\0b"}):
        refused = await refusal(events.ListEvents(event_service_pb2.ListEventsRequest(**bad)))
        assert refused.bad == set(bad)
