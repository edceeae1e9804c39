"""`mailing mailing watch`: live progress, which outlives a restart of the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Protocol

import grpc
import grpc.aio
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.cli import show
from gateway.cli.failures import EXIT_UNREACHABLE, Failure
from gateway.cli.plain import dumps, plain
from gateway.cli.session import Session
from mailing.v1.mailing_pb2 import AudienceState, MailingState
from mailing.v1.mailing_service_pb2 import WatchMailingRequest
from mailing.v1.mailing_stats_pb2 import MailingProgress

RECONNECT_SECONDS = 300.0
PAUSE_SECONDS = 0.5
SILENCE_SECONDS = 45.0
"""The contract says that something comes every 15 seconds at least; after three times that nobody is there."""
BAR_WIDTH = 40

# What a stream ends with when its engine goes away, by plan or not.
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
_OVER = (MailingState.MAILING_STATE_ENDED, MailingState.MAILING_STATE_CANCELLED)


def is_finished(progress: MailingProgress) -> bool:
    """Nothing is pending, and nothing comes but by new clients: the audience is ready, the start is past."""
    return (
        progress.audience_state == AudienceState.AUDIENCE_STATE_READY
        and progress.message_counts.pending == 0
        and progress.state != MailingState.MAILING_STATE_SCHEDULED
    )


class _View(Protocol):
    def show(self, progress: MailingProgress) -> None: ...

    def away(self) -> None: ...

    def close(self) -> None: ...


async def watch_mailing(session: Session, mailing_id: int, reconnect_seconds: float, *, until_end: bool) -> None:
    """Show the progress until the mailing is finished; with `until_end`, until its end time."""
    view: _View
    if session.json:
        view = _JsonLines(session)
    elif session.out.is_terminal:
        view = _Bar(session)
    else:
        view = _Lines(session)
    try:
        async for progress in _follow(session, mailing_id, reconnect_seconds, view):
            view.show(progress)
            if not until_end and is_finished(progress):
                return
    finally:
        view.close()


async def _follow(
    session: Session, mailing_id: int, reconnect_seconds: float, view: _View
) -> AsyncIterator[MailingProgress]:
    """The engine's stream, begun anew when it breaks; the first connection must work at once."""
    heard: float | None = None  # when the engine was last heard of
    while True:
        try:
            async for progress in _stream(session, mailing_id):
                heard = time.monotonic()
                yield progress
            return
        except grpc.aio.AioRpcError as error:
            if error.code() not in _AWAY or heard is None or time.monotonic() - heard >= reconnect_seconds:
                raise
        except TimeoutError:
            if heard is None or time.monotonic() - heard >= reconnect_seconds:
                raise Failure(f"the engine at {session.target} has gone silent", code=EXIT_UNREACHABLE) from None
        view.away()
        await asyncio.sleep(PAUSE_SECONDS)


async def _stream(session: Session, mailing_id: int) -> AsyncIterator[MailingProgress]:
    """One stream, to its end. Raises TimeoutError when the engine is silent for longer than it may be."""
    call = session.mailings.WatchMailing(WatchMailingRequest(mailing_id=mailing_id), metadata=session.metadata)
    try:
        while True:
            progress = await asyncio.wait_for(call.read(), SILENCE_SECONDS)
            if not isinstance(progress, MailingProgress):
                return  # grpc.aio.EOF
            yield progress
    finally:
        call.cancel()


class _JsonLines:
    """A JSON object a line, for scripts."""

    def __init__(self, session: Session) -> None:
        self._out = session.out

    def show(self, progress: MailingProgress) -> None:
        self._out.print(dumps(plain(progress), indent=False), markup=False, soft_wrap=True)

    def away(self) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """A line for each change, at most one a second: for logs and pipes."""

    def __init__(self, session: Session) -> None:
        self._out = session.out
        self._said = ""
        self._at = float("-inf")
        self._away = False
        self._held: MailingProgress | None = None

    def show(self, progress: MailingProgress) -> None:
        self._held, self._away = progress, False
        if time.monotonic() - self._at >= 1 or is_finished(progress):
            self._say(progress)

    def _say(self, progress: MailingProgress) -> None:
        counts = progress.message_counts
        done = counts.sent + counts.not_sent
        parts = [f"{show.number(done)} of {show.number(counts.total)} ({progress.progress:.1%})"]
        parts += [f"{show.number(counts.sent)} sent", f"{show.number(counts.not_sent)} not sent"]
        parts += [f"{show.number(counts.pending)} pending", *_speed(progress)]
        text = f"mailing {progress.mailing_id} {_state(progress).plain}: {', '.join(parts)}"
        if text != self._said:
            self._out.print(text, markup=False, soft_wrap=True)
            self._said, self._at = text, time.monotonic()
        self._held = None

    def away(self) -> None:
        self.close()
        if not self._away:
            self._out.print("the engine is away, waiting for it", soft_wrap=True)
        self._away = True

    def close(self) -> None:
        if self._held is not None:
            self._say(self._held)


class _Bar:
    """A block of three lines that moves."""

    def __init__(self, session: Session) -> None:
        self._live = Live(console=session.out, auto_refresh=False)
        self._live.start()
        self._last: MailingProgress | None = None

    def show(self, progress: MailingProgress) -> None:
        self._last = progress
        self._live.update(render(progress), refresh=True)

    def away(self) -> None:
        if self._last is not None:
            self._live.update(render(self._last, away=True), refresh=True)

    def close(self) -> None:
        self._live.stop()


def render(progress: MailingProgress, *, away: bool = False) -> Table:
    """The live block: state, bar, counts."""
    counts = progress.message_counts
    done = counts.sent + counts.not_sent
    head = Text.assemble((f"Mailing {progress.mailing_id}  ", "bold"), _state(progress))
    if away:
        head = Text.assemble((f"Mailing {progress.mailing_id}  ", "bold"), ("the engine is away, waiting…", "yellow"))
    style = "green" if done == counts.total else "cyan"
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=max(counts.total, 1), completed=done, width=BAR_WIDTH, complete_style=style),
        Text(f"{progress.progress:6.1%}", "bold"),
        Text(f"{show.number(done)} of {show.number(counts.total)}", "dim"),
        Text("  ".join([] if away else _speed(progress)), style),
    )
    numbers = Text.assemble(
        (f"{show.number(counts.sent)} sent", "green"),
        "   ",
        (f"{show.number(counts.not_sent)} not sent", "red" if counts.not_sent else "dim"),
        "   ",
        (f"{show.number(counts.pending)} pending", "yellow" if counts.pending else "dim"),
    )
    block = Table.grid()
    for row in (head, bar, numbers):
        block.add_row(row)
    return block


def _state(progress: MailingProgress) -> Text:
    state = show.word(progress, "state")
    if progress.state not in _OVER and is_finished(progress):
        return Text.assemble(state, ", all done")
    if progress.audience_state == AudienceState.AUDIENCE_STATE_BUILDING:
        return Text.assemble(state, ", audience building")
    return state


def _waits(progress: MailingProgress) -> bool:
    """It is to be sent, and nobody's local hours are open; or it has not started."""
    running = (MailingState.MAILING_STATE_ACTIVE, MailingState.MAILING_STATE_SCHEDULED)
    return progress.state in running and progress.forecast.HasField("next_open_time")


def _speed(progress: MailingProgress) -> list[str]:
    if not progress.message_counts.pending:
        return []
    if _waits(progress):
        return [f"waits until {show.when(progress.forecast, 'next_open_time')}"]
    parts = [show.rate(progress.rate_per_second)]
    if progress.forecast.missed and progress.state == MailingState.MAILING_STATE_ACTIVE:
        parts.append(f"{show.number(progress.forecast.missed)} will miss the end")
    elif progress.HasField("estimated_completion_time"):
        left = progress.estimated_completion_time.ToDatetime(UTC) - progress.time.ToDatetime(UTC)
        parts.append(f"{show.span(left.total_seconds())} left")
    return parts
