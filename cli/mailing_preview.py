"""What a mailing would be, and what will come of one, in words: by the engine's forecast and nothing else."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from cli import show
from cli.audience import show_warnings
from cli.plain import plain
from cli.session import Session
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
        ("audience", f"{show.number(answer.audience)} clients"),
        ("length", f"{each} a message ({_ENCODINGS.get(answer.encoding, '?')}, {answer.units} units)"),
        *forecast_rows(answer.forecast, "would be"),
    ]
    session.out.print(show.sheet(rows))
    show_warnings(session, answer.warnings)


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
