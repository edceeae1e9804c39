"""kill -9 of engines while they tell webhooks of every message, and receivers refuse, hang and break off.

INVARIANT. Each event is told until it is taken, and is signed; those of one mailing come in order. What became of a
message is in one event and in no other one. All that kills promise holds beside this.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from engine.domain.message import Status
from engine.domain.webhook import DeliveryState
from mailing.v1.event_pb2 import Webhook as WebhookWanted
from mailing.v1.webhook_service_pb2 import CreateWebhookRequest
from mailing.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.chaos import kill
from tests.chaos.world import Plan, Shape, World

DATABASES: Final = ("sqlite", "postgres")
_KINDS: Final = ("mailing.started", "mailing.finished", "mailing.ended", "messages.sent", "messages.not_sent")
_FINAL: Final = {"messages.sent": Status.SENT, "messages.not_sent": Status.NOT_SENT}
_KNOWN_SECONDS: Final = 2.0
"""So long after a webhook was made all engines write events of messages (``PERIOD_SECONDS`` of the herald)."""


@dataclass(slots=True)
class Receiver:
    """What takes events, and not always."""

    random: random.Random
    secret: str = ""
    is_well: bool = False
    taken: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Events by their ids, in the order in which they were taken first."""
    again: int = 0
    """Events that were taken twice."""
    refused: int = 0
    forged: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Take it, refuse it, be slow about it, or hang up."""
        body = await request.read()
        chance = 1.0 if self.is_well else self.random.random()
        if chance < 0.1:
            self.refused += 1
            return web.Response(status=503)
        if chance < 0.15 and request.transport is not None:
            self.refused += 1
            request.transport.abort()
        try:
            event = Webhook(self.secret).verify(body, dict(request.headers))
        except Exception as error:
            self.forged.append(f"{error!r}: {body[:100]!r}")
            return web.Response(status=400)
        if request.headers["webhook-id"] != f"evt_{event['id']}":
            self.forged.append(f"{request.headers['webhook-id']} is not the event {event['id']}")
        self.again += event["id"] in self.taken
        self.taken.setdefault(event["id"], event)
        if chance < 0.2:
            await asyncio.sleep(self.random.uniform(0.1, 2.0))
        return web.Response()


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    """Its address."""
    app = web.Application()
    app.router.add_post("/", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def shape(plan: Plan) -> Shape:
    """Receivers on this machine are allowed."""
    return Shape(flags=("--webhook-private",))


async def act(here: World, events: int) -> None:
    """So many kills, with a webhook from the begin to the end."""
    receiver = Receiver(here.random)
    url = await here.stack.enter_async_context(listening(receiver))
    wanted = CreateWebhookRequest(webhook=WebhookWanted(url=url, events=_KINDS), request_id=here.request_id())
    made = await here.call(lambda channel: WebhookServiceStub(channel).CreateWebhook(wanted))
    receiver.secret = made.secret
    await asyncio.sleep(_KNOWN_SECONDS)
    before = len(here.mailings)

    async def is_told() -> bool:
        receiver.is_well = True
        return not await here.database.query(
            f"SELECT 1 FROM webhook_delivery WHERE state IN ({DeliveryState.BEHIND:d}, {DeliveryState.READY:d})"
            " UNION ALL SELECT 1 FROM outbox LIMIT 1"
        )

    async def judge(here: World) -> None:
        await _judge(here, receiver, frozenset(here.mailings[before:]))

    here.settled.append(is_told)
    here.judges.append(judge)
    await kill.act(here, events)


async def _judge(here: World, receiver: Receiver, mailings: frozenset[int]) -> None:
    """``mailings``: those whose messages all engines told of from the begin."""
    broken = here.report.broken
    broken += receiver.forged[:5]
    deliveries = await here.database.query("SELECT event_id, stream, state FROM webhook_delivery ORDER BY event_id")
    told = receiver.taken
    untold = [event for event, _, state in deliveries if state != DeliveryState.DELIVERED or event not in told]
    if untold:
        broken.append(f"{len(untold)} of {len(deliveries)} events were not told, {untold[0]} for one")
    broken += disorder({event: stream for event, stream, _ in deliveries}, list(told))
    broken += differences(
        {
            message: status
            for message, mailing, status in await here.database.query("SELECT id, mailing_id, status FROM message")
            if mailing in mailings
        },
        [event for event in told.values() if event["data"].get("mailing_id") in mailings],
    )
    here.report.more["events"] = (
        f"{len(deliveries)} told, {receiver.again} of them twice, {receiver.refused} calls refused or broken off"
    )


def disorder(stream_of: dict[int, int], told: list[int]) -> list[str]:
    """Streams of which a later event was taken before an earlier one."""
    order: defaultdict[int, list[int]] = defaultdict(list)
    for event in told:
        order[stream_of[event]].append(event)
    return [f"events of {stream} came as {each}" for stream, each in order.items() if each != sorted(each)][:3]


def differences(statuses: dict[int, int], events: list[dict[str, Any]]) -> list[str]:
    """Where what was told of messages is not what is stored of them."""
    told: defaultdict[int, list[int]] = defaultdict(list)
    for event in events:
        for message in event["data"].get("messages", ()):
            told[message["id"]].append(_FINAL[event["type"]])
    stored = {message: [status] for message, status in statuses.items()}
    wrong = {each for each in stored.keys() | told.keys() if told.get(each) != stored.get(each)}
    if not wrong:
        return []
    one = min(wrong)
    return [f"{len(wrong)} messages were told wrongly: {one} as {told.get(one)}, and it is {stored.get(one)}"]
