"""One mailing, as `mailing mailing` shows it."""

from __future__ import annotations

from rich.text import Text

from cli import show
from cli.audience import audience_rows, show_warnings
from cli.session import Session
from mailing.v1.mailing_pb2 import AudienceMode, Mailing


def show_mailing(session: Session, m: Mailing) -> None:
    """Show it with its counts, or as JSON."""
    counts, hours = m.message_counts, m.local_hours
    state = show.word(m, "state")
    audience = Text.assemble(", audience ", show.word(m, "audience_state")) if m.audience_state else Text("")
    rows: list[tuple[str, str | Text]] = [
        ("mailing", str(m.id)),
        ("state", Text.assemble(state, audience)),
        *([("archived", show.when(m, "archived_time"))] if m.HasField("archived_time") else []),
        *([("messages removed", show.when(m, "details_removed_time"))] if m.HasField("details_removed_time") else []),
        *([("name", show.cut(m.name, 100))] if m.name else []),
        ("text", show.cut(m.text, 300)),
        ("segments", str(m.segments)),
        *audience_rows(m.filter),
        ("who matches later", "gets it too" if m.audience != AudienceMode.AUDIENCE_MODE_FIXED else "does not get it"),
        ("start", show.when(m, "start_time")),
        ("end", show.when(m, "end_time")),
        ("local hours", f"{getattr(hours, 'from')} to {hours.to}" if m.HasField("local_hours") else "any"),
        ("rate limit", show.rate(m.rate_limit) if m.HasField("rate_limit") else "none"),
        *([(wish, show.cut(getattr(m, wish), 100)) for wish in ("provider", "sender") if m.HasField(wish)]),
        *([("budget", show.money(m.budget))] if m.HasField("budget") else []),
        *([("cost", show.money(m.cost))] if m.cost or m.HasField("budget") else []),
        *([("paused itself", show.word(m, "pause_reason"))] if m.pause_reason else []),
        ("on uncertain", show.word(m, "on_uncertain")),
        ("messages", f"{show.number(counts.total)} = {show.number(counts.sent)} sent + "
         f"{show.number(counts.not_sent)} not sent + {show.number(counts.pending)} pending"),
        ("registered", show.when(m, "create_time")),
        ("changed", show.when(m, "update_time")),
    ]  # fmt: skip
    show.one(session, m, rows)
    show_warnings(session, m.warnings)
