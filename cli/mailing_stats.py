"""`mailing mailing stats`: the statistics of a mailing as sheets, tables and a small plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC

from rich.text import Text

from cli import show, tables, times
from cli.mailing_preview import forecast_rows
from cli.plain import plain
from cli.session import Session
from mailing.v1.mailing_pb2 import MessageCounts
from mailing.v1.mailing_stats_pb2 import AttemptStats, DeliveryStats, MailingStats, TextVersion

TOP = 12
PLOT_WIDTH = 60
_DELIVERIES = {"delivered": "did", "undelivered": "did not", "none": "not known yet"}
_BARS = " ▁▂▃▄▅▆▇█"


def show_stats(session: Session, stats: MailingStats) -> None:
    """Print them."""
    if session.json:
        session.dump(plain(stats))
        return
    session.out.print(show.sheet(_summary(stats)))
    if len(stats.by_provider) > 1:
        session.out.print()
        session.out.print(_providers(stats))
    for title, groups in (
        ("By tag", stats.by_tag),
        ("By operator code", stats.by_phone_code),
        ("By time zone", stats.by_time_zone),
    ):
        if groups:
            session.out.print()
            session.out.print(_groups(title, groups))


def _summary(stats: MailingStats) -> list[tuple[str, str | Text]]:
    counts, reasons, latency = stats.message_counts, stats.reasons, stats.latency_seconds
    why = [f"{show.number(count)} {field.name}" for field, count in reasons.ListFields()]
    codes = [f"{show.number(count)} × {answer}" for answer, count in _answers(stats.attempts)]
    rows: list[tuple[str, str | Text]] = [
        ("mailing", str(stats.mailing_id)),
        ("progress", f"{stats.progress:.1%} of {show.number(counts.total)}"),
        ("sent", Text(show.number(counts.sent), "green")),
        ("not sent", Text(show.number(counts.not_sent), "red" if counts.not_sent else "") + _because(why)),
        ("pending", show.number(counts.pending)),
        ("speed", show.rate(stats.rate_per_second)),
        *(forecast_rows(stats.forecast, "will be") if counts.pending else []),
        ("calls", f"{show.number(stats.attempts.total)} in all, {show.number(stats.attempts.retried)} of them repeats"),
        ("answers", ", ".join(codes) or show.NONE),
    ]
    if latency.HasField("p50"):
        quantiles = (("half", latency.p50), ("95 %", latency.p95), ("99 %", latency.p99))
        rows.append(("answered in", ", ".join(f"{name} ≤ {_duration(seconds)}" for name, seconds in quantiles)))
    if stats.delivery.delivered or stats.delivery.undelivered:
        rows += _arrived(stats.delivery)
    if stats.timeline:
        rows += [("sent over time", Text(_plot(stats), "green")), ("", _plot_span(stats))]
    if stats.cost:
        rows.append(("cost", show.money(stats.cost)))
    if len(stats.text_versions) > 1:
        rows += [(f"text {each.version}", _text(each)) for each in stats.text_versions]
    return rows


def _answers(attempts: AttemptStats) -> Iterator[tuple[str, int]]:
    """What the providers said, and how often."""
    for status, count in sorted(attempts.by_http_status.items()):
        yield str(status or "no answer"), count
    for status, count in sorted(attempts.by_smpp_status.items()):
        yield f"SMPP 0x{status:02X}", count


def _arrived(delivery: DeliveryStats) -> list[tuple[str, str | Text]]:
    """What receipts say of what is sent, and how long it took to arrive."""
    parts = [f"{show.number(getattr(delivery, name))} {words}" for name, words in _DELIVERIES.items()]
    rows: list[tuple[str, str | Text]] = [("arrived", ", ".join(parts))]
    seconds = delivery.seconds
    if seconds.HasField("p50"):
        rows.append(("within", f"half ≤ {_duration(seconds.p50)}, 95 % ≤ {_duration(seconds.p95)}"))
    return rows


def _text(version: TextVersion) -> str:
    """A text that the mailing has had, and how many got it."""
    return f"{show.number(version.sent)} sent: {show.cut(version.text, 60)}"


def _because(why: list[str]) -> Text:
    return Text(f"  ({', '.join(why)})" if why else "", "dim")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _groups(title: str, groups: Mapping[str, MessageCounts]) -> tables.Listing:
    numbers = [(name, show.NUMBER) for name in ("total", "sent", "not sent", "pending")]
    body = show.table(("", show.TEXT), *numbers, title=title)
    ranked = sorted(groups.items(), key=lambda group: (-group[1].total, group[0]))
    for name, counts in ranked[:TOP]:
        cells = (counts.total, counts.sent, counts.not_sent, counts.pending)
        body.add_row(show.cut(name, 64) or "(none)", *map(show.number, cells))
    if len(ranked) > TOP:
        rest = [counts for _, counts in ranked[TOP:]]
        sums = [sum(getattr(c, field) for c in rest) for field in ("total", "sent", "not_sent", "pending")]
        body.add_row(Text(f"{len(rest)} more", "dim"), *map(show.number, sums))
    return body


def _providers(stats: MailingStats) -> tables.Listing:
    """What each provider did of it, and for how much."""
    names = ("pending", "sent", "delivered", "not sent", "cost")
    body = show.table(("", show.TEXT), *((name, show.NUMBER) for name in names), title="By provider")
    for name, each in sorted(stats.by_provider.items(), key=lambda item: (-item[1].sent, item[0])):
        counts = (each.pending, each.sent, each.delivered, each.not_sent)
        body.add_row(show.cut(name, 64), *map(show.number, counts), show.money(each.cost))
    return body


def _plot(stats: MailingStats) -> str:
    """Messages sent in equal parts of the time from the first step to the last, the fullest part as high as it goes."""
    seconds = [point.time.seconds for point in stats.timeline]
    first, length = seconds[0], max(seconds[-1] - seconds[0], 1)
    parts = [0] * min(PLOT_WIDTH, length // 10 + 1)
    for point in stats.timeline:
        parts[min((point.time.seconds - first) * len(parts) // length, len(parts) - 1)] += point.sent
    top = max(*parts, 1)
    return "".join(_BARS[-(-part * (len(_BARS) - 1) // top)] for part in parts)


def _plot_span(stats: MailingStats) -> str:
    first, last = (times.full(stats.timeline[at].time.ToDatetime(UTC)) for at in (0, -1))
    return f"{first} … {last}"
