"""Which of several media types an `Accept` header wants most (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ANY = "*/*"


def best_type(accept: str, offered: Sequence[str]) -> str | None:
    """The offered type that is wanted most; among equals the first one offered, ``None``: none is wanted.

    An empty header wants anything. A type counts by the most specific range that covers it; what can't be read as a
    range is skipped.
    """
    ranges = dict(_ranges(accept)) or ({ANY: 1.0} if not accept.strip() else {})
    wanted = [(_quality(ranges, each), each) for each in offered]
    best = max((quality for quality, _ in wanted), default=0.0)
    return next((each for quality, each in wanted if quality == best), None) if best > 0 else None


def _quality(ranges: dict[str, float], media_type: str) -> float:
    kind = media_type.partition("/")[0]
    for each in (media_type, f"{kind}/*", ANY):
        if each in ranges:
            return ranges[each]
    return 0.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if "/" in name:
            yield name, _weight(parameters)


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
