"""The two diagrams of docs/, as SVG that each browser, GitHub and the site show alike; scripts/gen_docs writes them.

The lifecycle is made of the table of engine/domain/message.py: its arrows are the pairs of states in it, with the
numbers of the rows. Where a box stands is ours to say, so that lines and words do not lie on one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from engine.domain.message import TABLE, Status

LINE_HEIGHT: Final = 16
"""Pixels, as all lengths here."""


class Box(NamedTuple):
    """A state or a part: its centre, its size, its words line by line, and how round it is."""

    x: float
    y: float
    words: tuple[str, ...]
    width: float = 112
    height: float = 36
    radius: float = 6


class Arrow(NamedTuple):
    """A way from one box to another."""

    source: str
    target: str
    words: str = ""
    bow: float = 0
    """How far its middle is to the left of the straight line, seen in its direction."""
    at: float = 0.5
    """Where on it the words stand, from 0 to 1."""


class Row(NamedTuple):
    """What can happen to a message: in which state, what, and the state after it; `—` is no message."""

    before: str
    event: str
    after: str


def rows() -> list[Row]:
    """The table of the lifecycle, with how a message comes and goes."""
    found = [Row("—", "the client matches", Status.PENDING.name)]
    for (status, event), result in TABLE.items():
        words = event.value if result.reason is None else f"{event.value} (`{result.reason.public}`)"
        words += " (unsure from now on)" if result.unsure else ""
        found.append(Row(status.name, words, result.status.name))
    return [*found, Row(Status.PENDING.name, "the client matches no longer", "—")]


def lifecycle_table() -> str:
    """Return the rows as Markdown."""
    lines = [f"| {n} | {before} | {event} | {after} |" for n, (before, event, after) in enumerate(rows(), 1)]
    return "\n".join(["| | from | what happens | to |", "|---|---|---|---|", *lines])


_STATES: Final = {
    "—": Box(60, 250, ("—",), width=40),
    Status.PENDING.name: Box(150, 110, ("PENDING",)),
    Status.CLAIMED.name: Box(400, 110, ("CLAIMED",)),
    Status.CALLING.name: Box(650, 110, ("CALLING",)),
    Status.SENT.name: Box(275, 250, ("SENT",), radius=18),
    Status.NOT_SENT.name: Box(525, 250, ("NOT_SENT",), radius=18),
}
_WAYS: Final[Mapping[tuple[str, str], tuple[float, float]]] = {
    ("—", "PENDING"): (-14, 0.5),
    ("PENDING", "—"): (-14, 0.5),
    ("PENDING", "CLAIMED"): (-10, 0.5),
    ("CLAIMED", "PENDING"): (-26, 0.5),
    ("CALLING", "PENDING"): (-85, 0.5),
    ("PENDING", "NOT_SENT"): (0, 0.32),
    ("CALLING", "SENT"): (0, 0.32),
    ("CLAIMED", "SENT"): (0, 0.3),
    ("CLAIMED", "NOT_SENT"): (0, 0.3),
}
"""Of an arrow that is not straight, or whose words would lie on another: its bow, and where its words stand."""


def lifecycle() -> str:
    """Return the picture of the lifecycle."""
    numbers: dict[tuple[str, str], list[str]] = {}
    for number, (before, _, after) in enumerate(rows(), 1):
        numbers.setdefault((before, after), []).append(str(number))
    arrows = [Arrow(*pair, ", ".join(found), *_WAYS.get(pair, ())) for pair, found in numbers.items()]
    return _svg(740, 290, "The states of a message", _STATES, arrows)


_PARTS: Final = {
    "people": Box(82, 110, ("mailing command,", "gRPC clients"), 148, 46, 23),
    "web": Box(82, 320, ("browsers,", "REST clients"), 148, 46, 23),
    "gateway": Box(270, 320, ("gateway",)),
    "api": Box(270, 110, ("API",)),
    "store": Box(460, 165, ("store: SQLite", "or PostgreSQL"), 130, 46),
    "builder": Box(290, 220, ("audience builder",), 130),
    "ticker": Box(640, 80, ("ticker",)),
    "queue": Box(830, 80, ("for each provider:", "turns, rates, breaker"), 160, 46),
    "workers": Box(830, 185, ("workers",)),
    "recorder": Box(640, 250, ("recorder",)),
    "provider": Box(830, 320, ("providers,", "or the sandbox"), 130, 46, 23),
}
_FLOW: Final = (
    Arrow("people", "api", "gRPC"),
    Arrow("web", "gateway", "HTTP"),
    Arrow("gateway", "api", "gRPC", bow=78, at=0.3),
    Arrow("api", "store"),
    Arrow("builder", "store"),
    Arrow("store", "ticker", "claims"),
    Arrow("ticker", "queue"),
    Arrow("queue", "workers"),
    Arrow("workers", "recorder", "outcomes"),
    Arrow("recorder", "store", "one commit for many", at=0.45),
    Arrow("workers", "provider", "HTTP, SMPP", at=0.65),
    Arrow("provider", "gateway", "receipts"),
)


def flow() -> str:
    """Return the picture of how a message goes."""
    engine = '<rect class="frame" x="185" y="40" width="740" height="240" rx="8"/><text x="200" y="60">engine</text>'
    return _svg(940, 360, "How a message goes", _PARTS, _FLOW, engine)


_STYLE: Final = (
    "text{font:13px sans-serif;fill:#222}.words{text-anchor:middle}.line{fill:none;stroke:#667;stroke-width:1.3}"
    ".box{fill:#eef1fb;stroke:#667}.frame{fill:#fafbff;stroke:#99a;stroke-dasharray:5 4}.halo{stroke:#fff;"
    "stroke-width:8;paint-order:stroke;stroke-linejoin:round}"
)


def _svg(
    width: int, height: int, title: str, boxes: Mapping[str, Box], arrows: Sequence[Arrow], below: str = ""
) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">',
        '<path d="M0 0L10 5L0 10z" fill="#667"/></marker>',
        # White, so that it can be read on a dark page too.
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>{below}',
        *(_line(arrow, boxes) for arrow in arrows),
        *(_box(box) for box in boxes.values()),
        *(_words_on(arrow, boxes) for arrow in arrows if arrow.words),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    shape = f'<rect class="box" x="{left:g}" y="{top:g}" width="{box.width:g}" height="{box.height:g}" '
    return f'{shape}rx="{box.radius:g}"/>{_text(box.x, box.y, box.words)}'


def _text(x: float, y: float, lines: Iterable[str], more: str = "") -> str:
    """Words with their middle at a point."""
    lines = tuple(lines)
    first = y + 4.5 - LINE_HEIGHT * (len(lines) - 1) / 2
    spans = (f'<tspan x="{x:g}" y="{first + n * LINE_HEIGHT:g}">{escape(line)}</tspan>' for n, line in enumerate(lines))
    return f'<text class="words{more}">{"".join(spans)}</text>'


def _way(arrow: Arrow, boxes: Mapping[str, Box]) -> tuple[complex, complex, complex]:
    """A curve's begin, control point and end, from border to border."""
    source, target = boxes[arrow.source], boxes[arrow.target]
    begin, end = complex(source.x, source.y), complex(target.x, target.y)
    middle = (begin + end) / 2 + (end - begin) / abs(end - begin) * complex(0, -2 * arrow.bow)
    return _border(source, middle), middle, _border(target, middle)


def _border(box: Box, towards: complex) -> complex:
    """Where the line from the middle of a box leaves it."""
    centre = complex(box.x, box.y)
    step = towards - centre
    scale = min(_shares(box, step))
    return centre + step * scale


def _shares(box: Box, step: complex) -> Iterator[float]:
    if step.real:
        yield box.width / 2 / abs(step.real)
    if step.imag:
        yield box.height / 2 / abs(step.imag)


def _line(arrow: Arrow, boxes: Mapping[str, Box]) -> str:
    begin, middle, end = _way(arrow, boxes)
    points = " ".join(f"{point.real:.0f},{point.imag:.0f}" for point in (middle, end))
    return f'<path class="line" marker-end="url(#tip)" d="M{begin.real:.0f},{begin.imag:.0f} Q{points}"/>'


def _words_on(arrow: Arrow, boxes: Mapping[str, Box]) -> str:
    begin, middle, end = _way(arrow, boxes)
    at = arrow.at
    point = begin * (1 - at) ** 2 + middle * 2 * at * (1 - at) + end * at**2
    return _text(point.real, point.imag, (arrow.words,), " halo")
