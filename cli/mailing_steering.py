"""`mailing mailing pause`, `resume`, `cancel`, `archive`, `unarchive`: the commands that answer with the mailing."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import typer

from cli.mailing_options import MailingId
from cli.mailing_show import show_mailing
from cli.pages import Yes, confirm
from cli.session import CALL_SECONDS, Session, run
from mailing.v1.mailing_service_pb2 import (
    ArchiveMailingRequest,
    CancelMailingRequest,
    PauseMailingRequest,
    ResumeMailingRequest,
    UnarchiveMailingRequest,
)


def pause(context: typer.Context, mailing_id: MailingId) -> None:
    """Hold a mailing: once this is back, no new message of it goes out."""
    _steer(context, lambda mailings: mailings.PauseMailing, PauseMailingRequest(mailing_id=mailing_id))


def resume(context: typer.Context, mailing_id: MailingId) -> None:
    """Let a held mailing go on."""
    _steer(context, lambda mailings: mailings.ResumeMailing, ResumeMailingRequest(mailing_id=mailing_id))


def cancel(context: typer.Context, mailing_id: MailingId, yes: Yes = False) -> None:
    """Stop a mailing for good: what is pending will not be sent."""
    confirm(f"Cancel mailing {mailing_id} for good?", yes)
    _steer(context, lambda mailings: mailings.CancelMailing, CancelMailingRequest(mailing_id=mailing_id))


def archive(context: typer.Context, mailing_id: MailingId) -> None:
    """Leave a mailing that has ended or is cancelled out of lists; nothing of it is lost."""
    _steer(context, lambda mailings: mailings.ArchiveMailing, ArchiveMailingRequest(mailing_id=mailing_id))


def unarchive(context: typer.Context, mailing_id: MailingId) -> None:
    """Take a mailing out of the archive."""
    _steer(context, lambda mailings: mailings.UnarchiveMailing, UnarchiveMailingRequest(mailing_id=mailing_id))


STEERING: Final = MappingProxyType(
    {"pause": pause, "resume": resume, "cancel": cancel, "archive": archive, "unarchive": unarchive}
)
"""The commands by their names."""


def _steer(context: typer.Context, method: Callable[[Any], Any], request: Any) -> None:
    async def act(session: Session) -> None:
        call: Callable[..., Any] = method(session.mailings)
        show_mailing(session, await call(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)
