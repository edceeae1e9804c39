"""What a mailing would be, and what will come of one, in words: by the engine's forecast and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from cli import show
from cli.plain import plain
from cli.session import Session
from common.terminal import visible
from mailing.v1.mailing_service_pb2 import PreviewMailingResponse, TextEncoding
from mailing.v1.mailing_stats_pb2 import Forecast

_ENCODINGS: Final = {TextEncoding.TEXT_ENCODING_GSM7: "GSM-7", TextEncoding.TEXT_ENCODING_UCS2: "UCS-2"}


def show_preview(session: Session, answer: PreviewMailingResponse) -> None:
    """Print what PreviewMailing has answered."""
    if session.json:
        session.dump(plain(answer))
        return
    each = "1 segment" if answer.segments == 1 else f"{answer.segments} segments"
    rows: list[tuple[str, str | Text]] = [
        ("to", _recipients(answer)),
        ("length", f"{each} a message ({_ENCODINGS.get(answer.encoding, '?')}, {answer.units} units)"),
        *_letters(answer),
        *forecast_rows(answer.forecast, "would be"),
    ]
    session.out.print(show.sheet(rows))


def _recipients(answer: PreviewMailingResponse) -> str:
    """How many get a text, and of how many, if these are not all who match."""
    about = "about " if answer.recipients_estimated else ""
    of = f" of {show.number(answer.audience)} who match" if answer.recipients < answer.audience else ""
    return f"{about}{show.number(answer.recipients)} clients{of}"


def _letters(answer: PreviewMailingResponse) -> Iterator[tuple[str, str | Text]]:
    """Lines about the texts that clients would get."""
    yield "all texts", f"{show.number(answer.segments_total)} segments, {answer.segments_max} at most in one"
    if answer.HasField("cost"):
        yield "cost", show.money(answer.cost)
    if answer.incomplete:
        yield "incomplete", Text(f"{show.number(answer.incomplete)} would get no text", "yellow")
    for warning in answer.warnings:
        yield "warning", Text(f"{warning.field}: {visible(warning.message)}", "yellow")
    for sample in answer.samples:
        yield f"to client {sample.client_id}", show.cut(sample.text, 300)


def forecast_rows(forecast: Forecast, will_be: str) -> list[tuple[str, str | Text]]:
    """Lines of a sheet: until when, from when, and what comes too late."""
    through = show.when(forecast, "completion_time")
    if forecast.rate_per_second:
        through += f" at {show.rate(forecast.rate_per_second)}"
    elif not forecast.missed:
        through = "not known: nothing was sent yet that would tell the speed"
    rows: list[tuple[str, str | Text]] = [("through by", through)]
    if forecast.HasField("next_open_time"):
        rows.append(("first one", show.when(forecast, "next_open_time")))
    if forecast.missed:
        rows.append(("too late", Text(f"{show.number(forecast.missed)} {will_be} unsent at the end", "yellow")))
    return rows
