"""`mailing mailing watch`: live progress, which outlives a restart of the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Protocol

import grpc
import grpc.aio
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import show
from cli.failures import EXIT_UNREACHABLE, Failure
from cli.plain import plain
from cli.session import Session
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
        self._session = session

    def show(self, progress: MailingProgress) -> None:
        self._session.dump(plain(progress), indent=False)

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
            self._out.print(text, soft_wrap=True)
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
    """A block of a few lines that moves."""

    def __init__(self, session: Session) -> None:
        self._live = Live(console=session.out, auto_refresh=False)
        self._live.start()
        self._last: MailingProgress | None = None

    def show(self, progress: MailingProgress) -> None:
        self._last = progress
        self._live.update(Block(progress), refresh=True)

    def away(self) -> None:
        if self._last is not None:
            self._live.update(Block(self._last, away=True), refresh=True)

    def close(self) -> None:
        self._live.stop()


class Block:
    """The live block: state, bar, counts. In a narrow terminal its words go to further lines; none is cut."""

    def __init__(self, progress: MailingProgress, *, away: bool = False) -> None:
        self._progress = progress
        self._waits = "" if away else _waits(progress)
        self._away = away

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress, counts = self._progress, self._progress.message_counts
        done = counts.sent + counts.not_sent
        style = "green" if done == counts.total else "cyan"
        state = Text("the engine is away, waiting…", "yellow") if self._away else _state(progress)
        yield Text.assemble((f"Mailing {progress.mailing_id}  ", "bold"), state)
        share = Text(f"{progress.progress:6.1%} ", "bold")
        of = Text(f"{show.number(done)} of {show.number(counts.total)} ", "dim")
        speed = Text("  ".join([] if self._away or self._waits else _speed(progress)), style)
        bar_width = min(BAR_WIDTH, options.max_width - len(share) - 1)
        bar = ProgressBar(total=max(counts.total, 1), completed=done, width=bar_width, complete_style=style)
        fits = bar_width + len(share) + len(of) + len(speed) + 3 <= options.max_width
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(bar, share, of, speed) if fits else row.add_row(bar, share)
        yield row
        if not fits:
            yield of + speed
        if self._waits:
            yield Text(self._waits, "yellow")
        yield Text("   ").join(
            (
                Text(f"{show.number(counts.sent)} sent", "green"),
                Text(f"{show.number(counts.not_sent)} not sent", "red" if counts.not_sent else "dim"),
                Text(f"{show.number(counts.pending)} pending", "yellow" if counts.pending else "dim"),
            )
        )


def _state(progress: MailingProgress) -> Text:
    state = show.word(progress, "state")
    if progress.state not in _OVER and is_finished(progress):
        return Text.assemble(state, ", all done")
    if progress.audience_state == AudienceState.AUDIENCE_STATE_BUILDING:
        return Text.assemble(state, ", audience building")
    return state


def _waits(progress: MailingProgress) -> str:
    """What a mailing waits for that can't send now, by the engine's forecast; "" when it does not wait."""
    if not progress.forecast.HasField("next_open_time") or not progress.message_counts.pending:
        return ""
    when = show.when(progress.forecast, "next_open_time")
    if progress.state == MailingState.MAILING_STATE_ACTIVE:
        return f"waits for its local hours, the next at {when}"
    return f"waits until {when}" if progress.state == MailingState.MAILING_STATE_SCHEDULED else ""


def _speed(progress: MailingProgress) -> list[str]:
    if not progress.message_counts.pending:
        return []
    if waits := _waits(progress):
        return [waits]
    parts = [show.rate(progress.rate_per_second)]
    if progress.forecast.missed and progress.state == MailingState.MAILING_STATE_ACTIVE:
        parts.append(f"{show.number(progress.forecast.missed)} will miss the end")
    # At a standstill nobody knows how long it will take.
    elif progress.rate_per_second > 0 and progress.HasField("estimated_completion_time"):
        left = progress.estimated_completion_time.ToDatetime(UTC) - progress.time.ToDatetime(UTC)
        # The forecast knows only the speed: a message that waits for its next try may take longer than "0 s".
        if round(left.total_seconds()) > 0:
            parts.append(f"{show.span(left.total_seconds())} left")
    return parts
