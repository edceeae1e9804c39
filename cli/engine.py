"""`mailing engine …` and `mailing audit`: the engine itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.text import Text

from cli import show, tables
from cli.flags import Given, flags
from cli.pages import DEFAULT_LIMIT, All, Limit, collect
from cli.plain import dumps, plain
from cli.providers import breaker_words, missing_words, providers_table
from cli.session import CALL_SECONDS, Session, run
from mailing.v1.audit_pb2 import ActorKind, AuditEvent
from mailing.v1.engine_pb2 import EngineStatus
from mailing.v1.engine_service_pb2 import (
    GetStatusRequest,
    ListAuditEventsRequest,
    ListAuditEventsResponse,
    PauseSendingRequest,
    ResumeSendingRequest,
    SetRateRequest,
    SetWorkersRequest,
)

app = typer.Typer(help="Watch and steer the engine.", no_args_is_help=True)


@app.command("status")
def status(context: typer.Context) -> None:
    """Show workers, queue, rate, circuit breaker and engines."""
    _steer(context, lambda s: s.engine.GetStatus(GetStatusRequest(), timeout=CALL_SECONDS, metadata=s.metadata))


@app.command("workers")
def workers(
    context: typer.Context,
    count: Annotated[
        int, typer.Argument(metavar="N", help="Messages in the air at once, for each engine.", max=2**31 - 1)
    ],
) -> None:
    """Change the number of workers, at once."""
    request = SetWorkersRequest(workers=count)
    _steer(context, lambda s: s.engine.SetWorkers(request, timeout=CALL_SECONDS, metadata=s.metadata))


@app.command("rate")
def rate(
    context: typer.Context,
    per_second: Annotated[float, typer.Argument(metavar="R", help="Calls to the provider a second; 0: no limit.")],
) -> None:
    """Change the budget of calls to the provider, at once."""
    request = SetRateRequest(rate_limit=per_second)
    _steer(context, lambda s: s.engine.SetRate(request, timeout=CALL_SECONDS, metadata=s.metadata))


@app.command("pause")
def pause(context: typer.Context) -> None:
    """Hold sending for all mailings."""
    _steer(context, lambda s: s.engine.PauseSending(PauseSendingRequest(), timeout=CALL_SECONDS, metadata=s.metadata))


@app.command("resume")
def resume(context: typer.Context) -> None:
    """Let sending go on."""
    _steer(context, lambda s: s.engine.ResumeSending(ResumeSendingRequest(), timeout=CALL_SECONDS, metadata=s.metadata))


def _steer(context: typer.Context, call: Callable[[Session], Awaitable[EngineStatus]]) -> None:
    async def act(session: Session) -> None:
        _show(session, await call(session))

    run(context, act)


def _show(session: Session, s: EngineStatus) -> None:
    rows: list[tuple[str, str | Text]] = [
        ("sending", _sending(s)),
        ("workers", f"{s.workers}, {s.in_flight} of them calling"),
        ("queue", f"{show.number(s.queue_depth)} of {show.number(s.queue_size)}"),
        ("speed", show.rate(s.rate_per_second)),
        ("rate limit", _limit(s)),
        ("breaker", breaker_words(s.breaker)),
    ]
    show.one(session, s, rows)
    if session.json:
        return
    if len(s.providers) > 1:
        session.out.print()
        session.out.print(providers_table(s))
    for line in missing_words(s):
        session.out.print(line, soft_wrap=True)
    if s.engines:
        session.out.print()
        session.out.print(_engines(s))
    failing = [actor for actor in s.actors if not actor.healthy]
    for actor in failing:
        session.out.print(
            Text(f"{actor.name} fails ({actor.restarts} restarts): {actor.detail}", "red"), soft_wrap=True
        )


def _sending(s: EngineStatus) -> Text:
    word = show.word(s, "sending")
    return Text.assemble(word, f": {s.sending_detail}") if s.sending_detail else word


def _limit(s: EngineStatus) -> str:
    if s.HasField("rate_limit"):
        return show.rate(s.rate_limit)
    return "each provider has its own" if len(s.providers) > 1 else "none"


def _engines(s: EngineStatus) -> tables.Listing:
    columns = (("workers", show.NUMBER), ("calling", show.NUMBER))
    body = show.table(
        ("engine", show.NUMBER), ("name", show.TEXT), ("started", show.TIME), ("last sign of life", show.TIME), *columns
    )
    for e in s.engines:
        name = Text(e.name, "bold" if e.id == s.engine_id else "")
        times = (show.when(e, "start_time"), show.when(e, "heartbeat_time"))
        body.add_row(str(e.id), name, *times, str(e.workers), str(e.in_flight))
    return body


@flags(
    ListAuditEventsRequest.DESCRIPTOR,
    called={
        "actor_kind": "kind",
        "object_type": "object",
        "object_id": "id",
        "since_time": "since",
        "until_time": "until",
    },
)
def audit(context: typer.Context, given: Given, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """Show who changed what, the newest first."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListAuditEventsResponse:
            request = ListAuditEventsRequest(page_size=size, page_token=token, **given)
            return await session.engine.ListAuditEvents(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.audit_events), None if all_ else limit)
        words = [("who", show.TEXT), ("from", show.TEXT)]
        body = show.table(("id", show.NUMBER), ("time", show.TIME), *words, "did", "to", ("what", show.TEXT))
        for e in items:
            thing = f"{e.object_type} {e.object_id}" if e.HasField("object_id") else e.object_type
            what = show.cut(dumps(plain(e.detail), indent=False), 100) if e.detail.fields else ""
            when = show.brief(e, "time")
            body.add_row(str(e.id), when, *(show.cut(t, 40) for t in (_actor(e), e.peer, e.action, thing)), what)
        show.many(session, "audit_events", items, total, token, body)

    run(context, act)


def _actor(event: AuditEvent) -> str:
    """Who it was: names prove nothing, a token may be called as an account is."""
    if not event.actor_kind:
        return event.actor
    kind = ActorKind.Name(event.actor_kind).removeprefix("ACTOR_KIND_").lower()
    return f"{kind} {event.actor_id} {event.actor}" if event.HasField("actor_id") else f"{kind} {event.actor}"
