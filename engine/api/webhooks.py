"""EventService and WebhookService: what has happened, and who is told of it."""

from __future__ import annotations

from typing import Final

from google.protobuf.empty_pb2 import Empty

from common.contract.values import struct_proto
from engine.api.background import Background
from engine.api.by_name import message_from, timestamp
from engine.api.caller import caller
from engine.api.context import Context
from engine.api.convert import both, chosen
from engine.api.limits import Limits
from engine.api.masks import merged, paths_of
from engine.api.paging import page_of, token_after
from engine.api.repeats import request_key
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.events import TO_CHOOSE, EventKind
from engine.domain.webhook import DeliveryState
from engine.hooks.signing import new_secret
from engine.ports import Clock
from engine.store.event_rows import DeliveryRow, EventQuery, EventRow, WebhookInput, WebhookRow
from engine.store.rows import Created
from engine.store.store import Store
from engine.webhook_address import url_problem
from mailing.v1 import event_pb2, event_service_pb2_grpc, webhook_service_pb2_grpc
from mailing.v1 import event_service_pb2 as events
from mailing.v1 import webhook_service_pb2 as service

_WEBHOOK: Final = Limits(event_pb2.Webhook)
_LIST: Final = Limits(events.ListEventsRequest)
_STATES: Final = {
    state: event_pb2.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{state.public.upper()}")
    for state in DeliveryState
}
_WORDS: Final = {state.public: number for state, number in _STATES.items()}


def _words(row: WebhookRow) -> list[str]:
    return [kind.value for kind in row.kinds]


event_message: Final = message_from(
    EventRow, event_pb2.Event, type=lambda row: row.kind.value, data=lambda row: struct_proto(row.data)
)
webhook_message: Final = message_from(WebhookRow, event_pb2.Webhook, events=_words)
delivery_message: Final = message_from(
    DeliveryRow,
    event_pb2.WebhookDelivery,
    event_type=lambda row: row.kind.value,
    state=_STATES,
    last_attempt_time=lambda row: timestamp(row.last_us),
)


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """See ``proto/mailing/v1/event_service.proto``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListEvents(self, request: events.ListEventsRequest, context: Context) -> events.ListEventsResponse:
        """Read a page of events."""
        query, page = both(lambda: _LIST.checked(request, _query), lambda: page_of(request))
        found = await self._store.list_events(query, page)
        return events.ListEventsResponse(
            events=map(event_message, found.items),
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )


class WebhookServicer(webhook_service_pb2_grpc.WebhookServiceServicer):
    """See ``proto/mailing/v1/webhook_service.proto``."""

    def __init__(self, store: Store, clock: Clock, background: Background, *, private: bool) -> None:
        """``private``: addresses of this machine and of private networks are allowed."""
        self._store, self._clock, self._background, self._private = store, clock, background, private

    async def CreateWebhook(
        self, request: service.CreateWebhookRequest, context: Context
    ) -> service.CreateWebhookResponse:
        """Add a webhook."""
        by, now_us = caller(context), self._clock.now_us()
        wanted, key = both(
            lambda: _WEBHOOK.checked(request.webhook, _input, self._private),
            lambda: request_key("CreateWebhook", request, request.request_id, by),
        )

        async def change() -> tuple[Created[WebhookRow], str]:
            with self._background.running.hold(key):
                return await self._store.create_webhook(wanted, new_secret(), by=by, now_us=now_us, request=key)

        made, secret = await self._background.whole(change())
        shown = webhook_message(made.row)
        return service.CreateWebhookResponse(
            id=shown.id,
            url=shown.url,
            events=shown.events,
            active=shown.active,
            create_time=shown.create_time,
            secret=secret,
        )

    async def GetWebhook(self, request: service.GetWebhookRequest, context: Context) -> event_pb2.Webhook:
        """Read a webhook."""
        return webhook_message(await self._store.get_webhook(request.webhook_id))

    async def ListWebhooks(
        self, request: service.ListWebhooksRequest, context: Context
    ) -> service.ListWebhooksResponse:
        """Read a page of webhooks."""
        found = await self._store.list_webhooks(page_of(request))
        return service.ListWebhooksResponse(
            webhooks=map(webhook_message, found.items),
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def UpdateWebhook(self, request: service.UpdateWebhookRequest, context: Context) -> event_pb2.Webhook:
        """Change a webhook."""
        by, now_us = caller(context), self._clock.now_us()
        paths = paths_of(request.update_mask, request.webhook)

        def change(row: WebhookRow) -> WebhookInput:
            return _WEBHOOK.checked(merged(webhook_message(row), request.webhook, paths), _input, self._private)

        update = self._store.update_webhook(request.webhook.id, change, by=by, now_us=now_us)
        return webhook_message(await self._background.whole(update))

    async def DeleteWebhook(self, request: service.DeleteWebhookRequest, context: Context) -> Empty:
        """Remove a webhook."""
        by, now_us = caller(context), self._clock.now_us()
        await self._background.whole(self._store.delete_webhook(request.webhook_id, by=by, now_us=now_us))
        return Empty()

    async def ListWebhookDeliveries(
        self, request: service.ListWebhookDeliveriesRequest, context: Context
    ) -> service.ListWebhookDeliveriesResponse:
        """Read a page of what a webhook was told."""
        state, page = both(lambda: chosen(_WORDS, request.state, "state"), lambda: page_of(request))
        found = await self._store.list_deliveries(request.webhook_id, state, page)
        return service.ListWebhookDeliveriesResponse(
            deliveries=map(delivery_message, found.items),
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def TestWebhook(self, request: service.TestWebhookRequest, context: Context) -> event_pb2.WebhookDelivery:
        """Tell a webhook something without a meaning."""
        by, now_us = caller(context), self._clock.now_us()
        key = request_key("TestWebhook", request, request.request_id, by)

        async def change() -> DeliveryRow:
            with self._background.running.hold(key):
                return await self._store.test_webhook(request.webhook_id, by=by, now_us=now_us, request=key)

        return delivery_message(await self._background.whole(change()))


def _query(request: events.ListEventsRequest) -> EventQuery:
    after = request.after if request.HasField("after") else None
    return EventQuery(after, EventKind(request.type) if request.type in TO_CHOOSE else None)


def _input(webhook: event_pb2.Webhook, private: bool) -> WebhookInput:
    """What the message says. Raises InvalidInput with what is wrong beyond the contract's limits."""
    if problem := url_problem(webhook.url, private=private):
        raise InvalidInput([FieldError("url", problem)])
    kinds = dict.fromkeys(EventKind(each) for each in webhook.events if each in TO_CHOOSE)  # the limits tell of others
    return WebhookInput(webhook.url, tuple(kinds), webhook.active if webhook.HasField("active") else True)
