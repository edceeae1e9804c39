"""`mailing report`: what was done in a day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.plain import plain
from cli.session import CALL_SECONDS, Session, run
from common import private
from mailing.v1.engine_service_pb2 import GetReportRequest, MailReportRequest

_MAIL_SECONDS = 120.0
"""A mail server may take its time."""


def report(
    context: typer.Context,
    date: Annotated[str, typer.Option(help="The day, such as 2026-11-29. Default: the last one that was due.")] = "",
    html: Annotated[
        Path | None, typer.Option(help="Write the HTML of the mail into this file.", metavar="FILE")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Mail it to MAILING_REPORT_TO now, mailed or not.")] = False,
) -> None:
    """Show the report of a day as it is mailed each morning, or mail it."""

    async def act(session: Session) -> None:
        if send:
            await _send(session, date)
            return
        found = await session.engine.GetReport(
            GetReportRequest(date=date), timeout=CALL_SECONDS, metadata=session.metadata
        )
        if html is not None:
            private.write(html, found.html)
        if session.json:
            session.dump(plain(found))
        elif html is None:
            for line in found.text.splitlines():
                session.out.print(line, soft_wrap=True)

    run(context, act)


async def _send(session: Session, date: str) -> None:
    answer = await session.engine.MailReport(
        MailReportRequest(date=date), timeout=_MAIL_SECONDS, metadata=session.metadata
    )
    if session.json:
        session.dump(plain(answer))
        return
    session.out.print(f"The report of {answer.date} is mailed.", markup=False)
    for line in answer.refused:
        session.err.print(f"refused: {line}", markup=False)
