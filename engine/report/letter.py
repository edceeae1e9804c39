"""What the daily report looks like: text, and HTML for a phone.

Both are made of the same sections. The HTML asks nobody for anything: no images, no fonts, no links. Programs that show
mail drop much of CSS, so what matters is written on each element, and only the dark colours are in a style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final, NamedTuple

from engine.domain.report import Done, Failure, MailingDay, Report

_WIDTH: Final = 68
_VALUE_WIDTH: Final = 14
_REASONS: Final[Mapping[str, str]] = {
    "expired": "the mailing ended before their turn",
    "rejected": "refused by the provider for good",
    "cancelled": "the mailing was cancelled",
    "uncertain": "nobody knows whether they were sent",
    "suppressed": "the number is on the stop list",
    "incomplete": "a placeholder had no value",
}
_ANSWERS: Final[Mapping[int, str]] = {
    400: "refused for good",
    401: "our token is refused",
    403: "forbidden",
    404: "not found",
    408: "timed out on the way",
    429: "too many at a time",
    502: "no answer behind a proxy",
    503: "ill, or too busy",
    504: "no answer behind a proxy",
}


class Letter(NamedTuple):
    """A report, ready to be mailed."""

    key: str
    """Tells it from other reports."""
    subject: str
    text: str
    html: str


class _Row(NamedTuple):
    label: str
    value: str
    note: str = ""


class _Section(NamedTuple):
    title: str
    rows: tuple[_Row, ...]


def letter(report: Report) -> Letter:
    """Write a report."""
    day = f"{report.date:%A}, {report.date.day} {report.date:%B %Y}"
    subject = f"Mailings on {day}: {_headline(report.done)}"
    summary = _summary(report)
    sections = [each for each in (_unsent(report), _failed(report), _mailings(report)) if each.rows]
    foot = f"The day went from midnight to midnight by the time of {report.zone}."
    text = _text(f"Mailings on {day}", [summary, *sections], foot)
    return Letter(report.date.isoformat(), subject, text, _html(day, summary, sections, foot))


def _headline(done: Done) -> str:
    if not (done.sent or done.not_sent or done.deferred):
        return "nothing was sent"
    return f"{done.sent:,} sent" + (f", {done.not_sent:,} not sent" if done.not_sent else "")


def _summary(report: Report) -> _Section:
    done = report.done
    rows = (
        _Row("Sent", f"{done.sent:,}"),
        _Row("Not sent", f"{done.not_sent:,}"),
        _Row("Arrived", f"{done.delivered:,}"),
        _Row("Waiting now", f"{report.pending:,}"),
    )
    return _Section("", rows)


def _unsent(report: Report) -> _Section:
    rows = (_Row(_REASONS[reason].capitalize(), f"{number:,}", reason) for reason, number in report.reasons.items())
    return _Section("Why messages were not sent", tuple(rows))


def _failed(report: Report) -> _Section:
    """Of all of them, so that one look tells how bad a day it was."""
    return _Section("Calls that failed", tuple(map(_failure, report.failures)))


def _failure(failure: Failure) -> _Row:
    status = failure.http_status
    if status is None:
        said = "no answer"
    else:
        words = _ANSWERS.get(status, "an error of its own" if status >= 500 else "")
        said = f"HTTP {status}" + (f", {words}" if words else "")
    return _Row(failure.provider, f"{failure.calls:,}", said)


def _mailings(report: Report) -> _Section:
    rows = [*map(_mailing, report.mailings)]
    if report.more:
        rows.append(_Row("And others that did less", f"{report.more:,}"))
    return _Section("Mailings", tuple(rows))


def _mailing(mailing: MailingDay) -> _Row:
    done = mailing.done
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in mailing.reasons.items())
    over = mailing.total - mailing.pending
    notes = [
        mailing.state.value,
        (f"{done.not_sent:,} not sent" + (f" ({reasons})" if reasons else "")) if done.not_sent else "",
        f"{done.deferred:,} calls to be made again" if done.deferred else "",
        f"{done.delivered:,} arrived" if done.delivered else "",
        f"by now {over:,} of {mailing.total:,} are done",
    ]
    return _Row(f"{mailing.id}. {mailing.title}", f"{done.sent:,} sent", "; ".join(filter(None, notes)))


# -- text ------------------------------------------------------------------------------------------


def _text(title: str, sections: Iterable[_Section], foot: str) -> str:
    parts = [title]
    for section in sections:
        lines = [section.title] if section.title else []
        parts.append("\n".join([*lines, *(line for row in section.rows for line in _text_row(row))]))
    return "\n\n".join([*parts, foot]) + "\n"


def _text_row(row: _Row) -> list[str]:
    label_width = _WIDTH - _VALUE_WIDTH
    label = row.label if len(row.label) < label_width else row.label[: label_width - 2] + "…"
    line = f"{label:<{label_width}}{row.value:>{_VALUE_WIDTH}}"
    return [line, f"    {row.note}"] if row.note else [line]


# -- HTML ------------------------------------------------------------------------------------------

_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_DARK: Final = (
    ".page{background:#11171e!important}.card{background:#1a222b!important;border-color:#2e3a46!important}"
    ".ink{color:#e4ebf1!important}.muted{color:#a7b4c0!important}.line{border-color:#2e3a46!important}"
    ".bad{color:#ff9d93!important}.good{color:#63c994!important}"
)
_INK, _MUTED, _LINE, _GOOD, _BAD = "#1b2733", "#55636f", "#d9e0e6", "#177549", "#b3261e"


def _html(day: str, summary: _Section, sections: Iterable[_Section], foot: str) -> str:
    body = "".join([_tiles(summary), *map(_table, sections)])
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>Mailings on {escape(day)}</title>"
        f"<style>@media (prefers-color-scheme: dark){{{_DARK}}}</style></head>"
        f'<body class="page" style="margin:0;padding:12px;background:#f4f6f8;{_FONT}">'
        f'<div class="card" style="max-width:560px;margin:0 auto;padding:16px;background:#fff;border:1px solid {_LINE};'
        'border-radius:10px">'
        f'<h1 class="ink" style="margin:0 0 12px;font-size:20px;line-height:1.3;color:{_INK}">Mailings on '
        f"{escape(day)}</h1>{body}"
        f'<p class="muted" style="margin:20px 0 0;font-size:13px;line-height:1.4;color:{_MUTED}">{escape(foot)}</p>'
        "</div></body></html>\n"
    )


def _tiles(section: _Section) -> str:
    """Two in a line."""
    cells = [_tile(row) for row in section.rows]
    pairs = (cells[at : at + 2] for at in range(0, len(cells), 2))
    rows = "".join(f"<tr>{''.join(pair)}</tr>" for pair in pairs)
    return f'<table role="presentation" style="width:100%;border-collapse:collapse">{rows}</table>'


def _tile(row: _Row) -> str:
    colours = {"Sent": ("good", _GOOD), "Not sent": ("bad", _BAD)}
    name, colour = colours.get(row.label, ("ink", _INK)) if row.value != "0" else ("ink", _INK)
    return (
        '<td style="width:50%;padding:6px 0;vertical-align:top">'
        f'<div class="muted" style="font-size:14px;color:{_MUTED}">{escape(row.label)}</div>'
        f'<div class="{name}" style="font-size:26px;font-weight:600;color:{colour}">{escape(row.value)}</div></td>'
    )


def _table(section: _Section) -> str:
    rows = "".join(map(_table_row, section.rows))
    return (
        f'<h2 class="ink" style="margin:22px 0 4px;font-size:16px;color:{_INK}">{escape(section.title)}</h2>'
        f'<table style="width:100%;border-collapse:collapse">{rows}</table>'
    )


def _table_row(row: _Row) -> str:
    note = f'<div class="muted" style="font-size:13px;color:{_MUTED}">{escape(row.note)}</div>' if row.note else ""
    line = f"border-top:1px solid {_LINE};padding:8px 0;font-size:15px;line-height:1.4;vertical-align:top;color:{_INK}"
    return (
        f'<tr><td class="ink line" style="{line};overflow-wrap:anywhere">{escape(row.label)}{note}</td>'
        f'<td class="ink line" style="{line};padding-left:12px;text-align:right;white-space:nowrap">'
        f"{escape(row.value)}</td></tr>"
    )
