"""Options that several commands of `mailing mailing` take."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.plain import INT64_MAX

TIME = "now, +10m (s, m, h, d, w) or a time with its offset, like 2026-01-31T09:00:00+03:00"
MailingId = Annotated[int, typer.Argument(metavar="ID", help="The mailing's id.", min=1, max=INT64_MAX)]
NewText = Annotated[str, typer.Option("--text", help="What is sent, 1 to 4096 characters; - reads stdin.")]
Name = Annotated[str | None, typer.Option("--name", help="What you call it; clients don't see it.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only clients with this tag; may be repeated.")]
Codes = Annotated[list[str] | None, typer.Option("--phone-code", help="Only this operator code; may be repeated.")]
Start = Annotated[str, typer.Option("--start", help=f"When sending starts: {TIME}.")]
End = Annotated[str, typer.Option("--end", help=f"When it ends: {TIME}; + counts from the start.")]
Hours = Annotated[str | None, typer.Option("--local-hours", help="Only in these hours of each client's time zone.")]
Rate = Annotated[float | None, typer.Option("--rate", help="At most so many messages a second.")]
Budget = Annotated[
    float | None, typer.Option("--budget", help="What its messages may cost; it pauses itself before they cost more.")
]
Provider = Annotated[
    str | None, typer.Option("--provider", help="Only this provider sends it, by its name; see mailing providers list.")
]
Sender = Annotated[str | None, typer.Option("--sender", help="The name that the text comes from: one of a provider's.")]
Uncertain = Annotated[
    str | None,
    typer.Option("--on-uncertain", help="resend (default) or not_sent: when nobody can know whether it went out."),
]
AudienceKind = Annotated[
    str | None,
    typer.Option("--audience", help="live (default): who comes to match later gets it too; fixed: does not."),
]
MessagesOf = Annotated[
    int | None,
    typer.Option(
        "--messages-of", help="Only clients with a message of this mailing, as it is now.", min=1, max=INT64_MAX
    ),
]
MessagesStatus = Annotated[
    list[str] | None, typer.Option("--messages-status", help="It is pending, sent or not_sent; may be repeated.")
]
MessagesReason = Annotated[
    list[str] | None, typer.Option("--messages-reason", help="It is not sent for this reason; may be repeated.")
]
MessagesDelivery = Annotated[
    list[str] | None,
    typer.Option("--messages-delivery", help="It is sent and delivered, undelivered or none; may be repeated."),
]
Reconnect = Annotated[
    float, typer.Option(min=0, help="How long to wait for an engine that goes away meanwhile, in seconds.")
]
