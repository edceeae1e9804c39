"""`mailing mailing …`: register, follow, steer."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import show
from cli.audience import NotTags, Where, audience_of, edit_audience, show_warnings
from cli.failures import UsageFailure
from cli.flags import Given, flags
from cli.mailing_changes import audience_mode, edit_pace, edit_times, edit_wish, messages_condition
from cli.mailing_options import (
    TIME,
    AudienceKind,
    Budget,
    Codes,
    End,
    Hours,
    MailingId,
    MessagesDelivery,
    MessagesOf,
    MessagesReason,
    MessagesStatus,
    Name,
    NewText,
    Provider,
    Rate,
    Reconnect,
    Sender,
    Start,
    Tags,
    Uncertain,
)
from cli.mailing_preview import show_preview
from cli.mailing_show import show_mailing
from cli.mailing_stats import show_stats
from cli.mailing_steering import STEERING
from cli.pages import DEFAULT_LIMIT, All, Limit, Yes, collect, confirm
from cli.plain import INT64_MAX
from cli.session import CALL_SECONDS, Session, run
from cli.texts import Encoding, text_of
from cli.trying import try_first, try_text
from cli.values import enum_number, local_hours, moment, timestamp
from cli.watch import RECONNECT_SECONDS, watch_mailing
from mailing.v1.mailing_pb2 import AudienceFilter, Mailing, OnUncertain
from mailing.v1.mailing_service_pb2 import (
    CreateMailingRequest,
    DeleteMailingRequest,
    GetMailingRequest,
    GetMailingStatsRequest,
    ListMailingsRequest,
    ListMailingsResponse,
    PreviewMailingRequest,
    UpdateMailingRequest,
)

app = typer.Typer(help="Register, follow and steer mailings.", no_args_is_help=True)


def _mailing(
    text: str,
    encoding: str | None,
    chosen: AudienceFilter,
    start: str,
    end: str,
    hours: str | None,
    rate: float | None,
    budget: float | None,
    on_uncertain: str | None,
    name: str | None,
    audience: str | None,
) -> Mailing:
    begins = moment("--start", start, datetime.now(UTC))
    mailing = Mailing(
        text=text_of("--text", text, encoding),
        filter=chosen,
        start_time=timestamp(begins),
        end_time=timestamp(moment("--end", end, begins)),
        rate_limit=rate,
        budget=budget,
        name=name or "",
    )
    mailing.on_uncertain = OnUncertain.ValueType(
        enum_number("--on-uncertain", on_uncertain, "ON_UNCERTAIN_", OnUncertain.keys())
    )
    mailing.audience = audience_mode(audience)
    if hours is not None:
        mailing.local_hours.CopyFrom(local_hours(hours))
    return mailing


def _restrict(
    mailing: Mailing,
    of: int | None,
    statuses: list[str] | None,
    reasons: list[str] | None,
    delivery: list[str] | None,
) -> None:
    condition = messages_condition(of, statuses, reasons, delivery)
    if condition is not None:
        mailing.filter.messages.CopyFrom(condition)


@app.command("create")
def create(
    context: typer.Context,
    text: NewText,
    tag: Tags = None,
    phone_code: Codes = None,
    not_tag: NotTags = None,
    where: Where = None,
    start: Start = "now",
    end: End = "+24h",
    local_hours: Hours = None,
    rate: Rate = None,
    budget: Budget = None,
    provider: Provider = None,
    sender: Sender = None,
    on_uncertain: Uncertain = None,
    name: Name = None,
    audience: AudienceKind = None,
    messages_of: MessagesOf = None,
    messages_status: MessagesStatus = None,
    messages_reason: MessagesReason = None,
    messages_delivery: MessagesDelivery = None,
    encoding: Encoding = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it is finished.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print its id alone, for a script.")] = False,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Send the text to this number first; register only if that went well. Up to 5."),
    ] = None,
    test_client: Annotated[
        int | None, typer.Option("--test-client", help="With --test: as this client gets it.", min=1, max=INT64_MAX)
    ] = None,
) -> None:
    """Register a mailing."""
    chosen = audience_of(tag, phone_code, not_tag, where)
    mailing = _mailing(text, encoding, chosen, start, end, local_hours, rate, budget, on_uncertain, name, audience)
    _restrict(mailing, messages_of, messages_status, messages_reason, messages_delivery)
    edit_wish(mailing, provider, sender)

    async def act(session: Session) -> None:
        if test:
            await try_first(session, mailing.text, test, test_client)
        request = CreateMailingRequest(mailing=mailing, request_id=str(uuid.uuid4()))
        made = await session.mailings.CreateMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)
        if not (watch or quiet):
            show_mailing(session, made)
            return
        if quiet:
            session.out.print(made.id)
        elif not session.json:
            session.out.print(f"Mailing {made.id} is registered.")
        show_warnings(session, made.warnings)
        if watch:
            await watch_mailing(session, made.id, RECONNECT_SECONDS, until_end=False)

    run(context, act)


@app.command("preview")
def preview(
    context: typer.Context,
    text: NewText,
    tag: Tags = None,
    phone_code: Codes = None,
    not_tag: NotTags = None,
    where: Where = None,
    start: Start = "now",
    end: End = "+24h",
    local_hours: Hours = None,
    rate: Rate = None,
    budget: Budget = None,
    provider: Provider = None,
    sender: Sender = None,
    on_uncertain: Uncertain = None,
    name: Name = None,
    audience: AudienceKind = None,
    messages_of: MessagesOf = None,
    messages_status: MessagesStatus = None,
    messages_reason: MessagesReason = None,
    messages_delivery: MessagesDelivery = None,
    encoding: Encoding = None,
) -> None:
    """Say how many clients, segments and how long, for options as `create` takes them; stores nothing."""
    chosen = audience_of(tag, phone_code, not_tag, where)
    mailing = _mailing(text, encoding, chosen, start, end, local_hours, rate, budget, on_uncertain, name, audience)
    _restrict(mailing, messages_of, messages_status, messages_reason, messages_delivery)
    edit_wish(mailing, provider, sender)

    run(context, lambda session: _preview(session, mailing, None))


app.command("test")(try_text)


@app.command("list")
@flags(ListMailingsRequest.DESCRIPTOR)
def list_(context: typer.Context, given: Given, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List mailings, the newest first."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListMailingsResponse:
            request = ListMailingsRequest(page_size=size, page_token=token, **given)
            return await session.mailings.ListMailings(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.mailings), None if all_ else limit)
        numbers = [(name, show.NUMBER) for name in ("total", "sent", "not sent", "pending")]
        times = [("start", show.TIME), ("end", show.TIME)]
        body = show.table(("id", show.NUMBER), "state", ("name or text", show.TEXT), *times, *numbers)
        for m in items:
            counts = m.message_counts
            body.add_row(
                str(m.id),
                show.word(m, "state"),
                show.cut(m.name or m.text, 30),
                show.brief(m, "start_time"),
                show.brief(m, "end_time"),
                *map(show.number, (counts.total, counts.sent, counts.not_sent, counts.pending)),
            )
        show.many(session, "mailings", items, total, token, body)

    run(context, act)


@app.command("get")
def get(context: typer.Context, mailing_id: MailingId) -> None:
    """Show one mailing."""

    async def act(session: Session) -> None:
        request = GetMailingRequest(mailing_id=mailing_id)
        show_mailing(
            session, await session.mailings.GetMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)
        )

    run(context, act)


@app.command("edit")
def edit(
    context: typer.Context,
    mailing_id: MailingId,
    text: Annotated[str | None, typer.Option("--text", help="What is sent; - reads stdin.")] = None,
    tag: Tags = None,
    all_tags: Annotated[bool, typer.Option("--all-tags", help="Do not restrict the tags any more.")] = False,
    phone_code: Codes = None,
    all_phone_codes: Annotated[bool, typer.Option("--all-phone-codes", help="Nor the operator codes.")] = False,
    not_tag: NotTags = None,
    where: Where = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="No --where or --not-tag any more.")] = False,
    start: Annotated[str | None, typer.Option("--start", help=f"{TIME}.")] = None,
    end: Annotated[str | None, typer.Option("--end", help=f"{TIME}; + counts from --start, else from now.")] = None,
    local_hours_: Annotated[
        str | None, typer.Option("--local-hours", help="Like 09:00-21:00; any: at any hour.")
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Messages a second; 0: no limit of its own.")] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="What its messages may cost; 0: no limit.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only this one sends it; empty: any.")] = None,
    sender: Annotated[str | None, typer.Option("--sender", help="Whom it comes from; empty: as providers say.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what it would make of what is not sent yet; changes nothing.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="What you call it; empty: nothing any more.")] = None,
    audience: AudienceKind = None,
    messages_of: MessagesOf = None,
    messages_status: MessagesStatus = None,
    messages_reason: MessagesReason = None,
    messages_delivery: MessagesDelivery = None,
    encoding: Encoding = None,
) -> None:
    """Change an open mailing; what is not given stays, unsent messages follow."""
    changed = Mailing(id=mailing_id)
    paths: list[str] = []
    if text is not None:
        changed.text = text_of("--text", text, encoding)
        paths.append("text")
    if name is not None:
        changed.name = name
        paths.append("name")
    _restrict(changed, messages_of, messages_status, messages_reason, messages_delivery)
    if messages_of is not None:
        paths.append("filter.messages")
    if audience is not None:
        changed.audience = audience_mode(audience)
        paths.append("audience")
    paths += edit_audience(
        changed.filter,
        tags=(tag, all_tags),
        phone_codes=(phone_code, all_phone_codes),
        exclude_tags=(not_tag, anywhere),
        attributes=(where, anywhere),
    )
    paths += edit_times(changed, start, end)
    paths += edit_pace(changed, local_hours_, rate, budget)
    paths += edit_wish(changed, provider, sender)
    if not paths:
        raise UsageFailure("nothing to change: see mailing mailing edit --help")

    async def act(session: Session) -> None:
        request = UpdateMailingRequest(mailing=changed, validate_only=preview)
        request.update_mask.paths.extend(paths)
        mailing = await session.mailings.UpdateMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)
        if preview:
            await _preview(session, mailing, mailing_id)
        else:
            show_mailing(session, mailing)

    run(context, act)


async def _preview(session: Session, mailing: Mailing, mailing_id: int | None) -> None:
    request = PreviewMailingRequest(mailing=mailing, mailing_id=mailing_id)
    show_preview(
        session, await session.mailings.PreviewMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)
    )


for name, command in STEERING.items():
    app.command(name)(command)


@app.command("delete")
def delete(context: typer.Context, mailing_id: MailingId, yes: Yes = False) -> None:
    """Delete a mailing and its messages."""
    confirm(f"Delete mailing {mailing_id} and all its messages?", yes)

    async def act(session: Session) -> None:
        request = DeleteMailingRequest(mailing_id=mailing_id)
        await session.mailings.DeleteMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)
        session.out.print("{}" if session.json else f"Mailing {mailing_id} is deleted.")

    run(context, act)


@app.command("watch")
def watch(
    context: typer.Context,
    mailing_id: MailingId,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Go on when nothing is pending: new clients may come until its end.")
    ] = False,
    reconnect_seconds: Reconnect = RECONNECT_SECONDS,
) -> None:
    """Follow a mailing until nothing of it is pending. Waits for an engine that restarts meanwhile."""
    run(context, lambda session: watch_mailing(session, mailing_id, reconnect_seconds, until_end=until_end))


@app.command("stats")
def stats(context: typer.Context, mailing_id: MailingId) -> None:
    """Show detailed statistics of a mailing."""

    async def act(session: Session) -> None:
        request = GetMailingStatsRequest(mailing_id=mailing_id)
        show_stats(
            session, await session.mailings.GetMailingStats(request, timeout=CALL_SECONDS, metadata=session.metadata)
        )

    run(context, act)
