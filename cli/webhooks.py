"""`mailing webhooks …` and `mailing events`: what has happened, and who is told of it."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer
from rich.text import Text

from cli import show
from cli.access import show_once
from cli.pages import DEFAULT_LIMIT, All, Limit, Yes, collect, confirm
from cli.plain import INT64_MAX, dumps, plain
from cli.session import CALL_SECONDS, Session, run
from cli.values import enum_number
from mailing.v1.event_pb2 import Webhook, WebhookDelivery, WebhookDeliveryState
from mailing.v1.event_service_pb2 import ListEventsRequest, ListEventsResponse
from mailing.v1.webhook_service_pb2 import (
    CreateWebhookRequest,
    DeleteWebhookRequest,
    GetWebhookRequest,
    ListWebhookDeliveriesRequest,
    ListWebhookDeliveriesResponse,
    ListWebhooksRequest,
    ListWebhooksResponse,
    TestWebhookRequest,
    UpdateWebhookRequest,
)

app = typer.Typer(help="Webhooks: addresses that are told what happens.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(metavar="ID", help="The webhook's id.", min=1, max=INT64_MAX)]
_DATA_CHARACTERS = 120


@app.command("create")
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is told: an https:// address.")],
    event: Annotated[
        list[str], typer.Option("--event", "-e", help="What it is told, such as mailing.ended; may be repeated.")
    ],
) -> None:
    """Make a webhook; its secret is shown once, and never again."""
    request = CreateWebhookRequest(webhook=Webhook(url=url, events=event), request_id=str(uuid.uuid4()))

    async def act(session: Session) -> None:
        made = await session.webhooks.CreateWebhook(request, timeout=CALL_SECONDS, metadata=session.metadata)
        rows: list[tuple[str, str | Text]] = [
            ("webhook", str(made.id)),
            ("address", made.url),
            ("events", ", ".join(made.events)),
            ("secret", made.secret),
        ]
        show_once(
            session, plain(made), rows, "The secret is shown only here. Check the signature of each call with it."
        )

    run(context, act)


@app.command("list")
def list_(context: typer.Context, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List webhooks; no secrets."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListWebhooksResponse:
            request = ListWebhooksRequest(page_size=size, page_token=token)
            return await session.webhooks.ListWebhooks(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.webhooks), None if all_ else limit)
        numbers = [(name, show.NUMBER) for name in ("waiting", "given up")]
        body = show.table(("id", show.NUMBER), "is", ("address", show.TEXT), ("events", show.TEXT), *numbers)
        for w in items:
            counts = str(w.pending_count), str(w.given_up_count)
            body.add_row(str(w.id), _switch(w), show.cut(w.url, 80), ", ".join(w.events), *counts)
        show.many(session, "webhooks", items, total, token, body)

    run(context, act)


@app.command("get")
def get(context: typer.Context, webhook_id: Id) -> None:
    """Show a webhook; not its secret."""

    async def act(session: Session) -> None:
        request = GetWebhookRequest(webhook_id=webhook_id)
        _show(session, await session.webhooks.GetWebhook(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)


@app.command("edit")
def edit(
    context: typer.Context,
    webhook_id: Id,
    url: Annotated[str | None, typer.Option(help="Another address.")] = None,
    event: Annotated[list[str] | None, typer.Option("--event", "-e", help="Other events; may be repeated.")] = None,
    active: Annotated[bool | None, typer.Option("--on/--off", help="Switch it on or off.")] = None,
) -> None:
    """Change a webhook. What waits for it goes to its new address."""
    given = {"url": url, "events": event or None, "active": active}
    names = [name for name, value in given.items() if value is not None]
    request = UpdateWebhookRequest(webhook=Webhook(id=webhook_id, **{name: given[name] for name in names}))  # type: ignore[arg-type]
    request.update_mask.paths.extend(names)

    async def act(session: Session) -> None:
        _show(session, await session.webhooks.UpdateWebhook(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)


@app.command("delete")
def delete(context: typer.Context, webhook_id: Id, yes: Yes = False) -> None:
    """Remove a webhook, and what it was to be told."""
    confirm(f"Delete webhook {webhook_id}?", yes)

    async def act(session: Session) -> None:
        request = DeleteWebhookRequest(webhook_id=webhook_id)
        await session.webhooks.DeleteWebhook(request, timeout=CALL_SECONDS, metadata=session.metadata)
        session.out.print("{}" if session.json else f"Webhook {webhook_id} is deleted.", markup=False)

    run(context, act)


@app.command("test")
def test(context: typer.Context, webhook_id: Id) -> None:
    """Tell a webhook something without a meaning; what comes of it is in its deliveries."""

    async def act(session: Session) -> None:
        request = TestWebhookRequest(webhook_id=webhook_id, request_id=str(uuid.uuid4()))
        sent = await session.webhooks.TestWebhook(request, timeout=CALL_SECONDS, metadata=session.metadata)
        rows: list[tuple[str, str | Text]] = [("delivery", str(sent.id)), ("webhook-id", f"evt_{sent.event_id}")]
        show.one(session, sent, rows)

    run(context, act)


@app.command("deliveries")
def deliveries(
    context: typer.Context,
    webhook_id: Id,
    state: Annotated[str | None, typer.Option(help="pending, delivered or given_up.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
) -> None:
    """List what a webhook was told or is to be told, the newest first."""
    number = enum_number("--state", state, "WEBHOOK_DELIVERY_STATE_", WebhookDeliveryState.keys())

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListWebhookDeliveriesResponse:
            request = ListWebhookDeliveriesRequest(webhook_id=webhook_id, page_size=size, page_token=token)
            request.state = WebhookDeliveryState.ValueType(number)
            return await session.webhooks.ListWebhookDeliveries(
                request, timeout=CALL_SECONDS, metadata=session.metadata
            )

        items, total, token = await collect(fetch, lambda page: list(page.deliveries), None if all_ else limit)
        times = [(name, show.TIME) for name in ("last try", "next try")]
        body = show.table(("id", show.NUMBER), "event", "state", ("tries", show.NUMBER), *times, ("answer", show.TEXT))
        for d in items:
            when = show.brief(d, "last_attempt_time"), show.brief(d, "next_attempt_time")
            body.add_row(str(d.id), d.event_type, show.word(d, "state"), str(d.attempts), *when, _answer(d))
        show.many(session, "deliveries", items, total, token, body)

    run(context, act)


def events(
    context: typer.Context,
    after: Annotated[int | None, typer.Option(help="Only those with a higher id.", min=0, max=INT64_MAX)] = None,
    type_: Annotated[str, typer.Option("--type", help="Only those of this type, such as mailing.ended.")] = "",
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
) -> None:
    """List what has happened, the oldest first."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListEventsResponse:
            request = ListEventsRequest(page_size=size, page_token=token, after=after, type=type_)
            return await session.events.ListEvents(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.events), None if all_ else limit)
        body = show.table(("id", show.NUMBER), ("time", show.TIME), "event", ("data", show.TEXT))
        for each in items:
            data = show.cut(dumps(plain(each)["data"], indent=False), _DATA_CHARACTERS)
            body.add_row(str(each.id), show.brief(each, "time"), each.type, data)
        show.many(session, "events", items, total, token, body)

    run(context, act)


def _switch(webhook: Webhook) -> Text:
    return Text("on", "green") if webhook.active else Text("off", "yellow")


def _answer(delivery: WebhookDelivery) -> str:
    status = f"{delivery.http_status} " if delivery.HasField("http_status") else ""
    return show.cut(f"{status}{delivery.answer}", 80) or show.NONE


def _show(session: Session, webhook: Webhook) -> None:
    rows: list[tuple[str, str | Text]] = [
        ("webhook", str(webhook.id)),
        ("address", webhook.url),
        ("events", ", ".join(webhook.events)),
        ("is", _switch(webhook)),
        ("made", show.when(webhook, "create_time")),
        ("waiting", str(webhook.pending_count)),
        ("given up", str(webhook.given_up_count)),
    ]
    show.one(session, webhook, rows)
