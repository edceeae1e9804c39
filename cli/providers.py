"""`mailing providers …`: the providers that send the texts, one at a time or side by side."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.text import Text

from cli import show, tables
from cli.session import CALL_SECONDS, Session, run
from cli.trying import try_provider
from mailing.v1.engine_pb2 import BreakerState, BreakerStatus, EngineStatus, ProviderStatus
from mailing.v1.engine_service_pb2 import GetStatusRequest

app = typer.Typer(help="The providers that send the texts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The providers that send the texts."""


app.command("test")(try_provider)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the providers in their order: how each does, how fast it goes, and which part of the calls it gets."""

    async def act(session: Session) -> None:
        request = GetStatusRequest()
        status = await session.engine.GetStatus(request, timeout=CALL_SECONDS, metadata=session.metadata)
        show.many(session, "providers", status.providers, len(status.providers), "", providers_table(status))

    run(context, act)


def providers_table(s: EngineStatus) -> tables.Listing:
    """The engine's providers, a row each."""
    numbers = [(name, show.NUMBER) for name in ("limit", "speed", "share", "calling", "queue", "failed", "answers in")]
    body = show.table(("provider", show.TEXT), "kind", *numbers, ("price", show.NUMBER), ("health", show.TEXT))
    calls = sum(each.calls for each in s.providers)
    for p in s.providers:
        body.add_row(
            p.name,
            p.kind,
            _limit(p),
            show.rate(p.rate_per_second),
            f"{p.calls / calls:.0%}" if calls else show.NONE,
            f"{p.in_flight} of {p.workers}",
            show.number(p.queue_depth),
            f"{show.number(p.errors)} of {show.number(p.calls)}",
            f"≤ {p.latency_seconds.p95:.3f} s" if p.latency_seconds.HasField("p95") else show.NONE,
            show.money(p.price_per_segment) if p.HasField("price_per_segment") else show.NONE,
            Text.assemble("retired, ", breaker_words(p.breaker)) if p.retired else breaker_words(p.breaker),
        )
    return body


def missing_words(s: EngineStatus) -> Iterator[Text]:
    """A line about each provider that is in the file no more though messages wait for it."""
    for missing in s.missing_providers:
        number = show.number(missing.messages)
        yield Text(f"provider {missing.name} is no longer in the file; {number} messages wait for its answer", "yellow")


def _limit(p: ProviderStatus) -> str:
    return f"{show.rate(p.rate_limit)} {p.rate_unit}" if p.HasField("rate_limit") else "none"


def breaker_words(breaker: BreakerStatus) -> Text:
    """What the breaker does, since when, and why."""
    text = show.word(breaker, "state")
    if breaker.consecutive_failures:
        text = Text.assemble(text, f", {breaker.consecutive_failures} failures in a row")
    if breaker.HasField("next_probe_time"):
        what = "no call before" if breaker.state == BreakerState.BREAKER_STATE_CLOSED else "next probe"
        text = Text.assemble(text, f", {what} {show.when(breaker, 'next_probe_time')}")
    return Text.assemble(text, f": {show.cut(breaker.detail, 90)}") if breaker.detail else text
