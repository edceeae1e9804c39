"""Structured logs: structlog over the standard library's, on stderr.

Each line about a message bears ``message_id``, ``mailing_id`` and ``client_id``, so that one ``grep``
tells its story. No line bears a token, a text or a whole phone number, whoever logs it: the masks run last, over
tracebacks and the lines of other libraries too.

A level that is off costs nothing to speak of: its method returns at once.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import FilteringBoundLogger, Processor

from common.line_limit import LineLimitFilter
from common.terminal import visible, visible_json, visible_lines

Format = Literal["console", "json"]

_HIDDEN: Final = "***"
_SECRET_KEYS: Final = frozenset(
    {"authorization", "fbrq_token", "password", "secret", "text", "token", "texts", "body", "metadata"}
)
# 79161234567, +7 (916) 123-45-67, 8 916 123 45 67; not a part of a longer number.
_PHONE: Final = re.compile(r"(?<![\d.])(?:\+?7|8)[ (-]{0,2}(\d{3})[ )-]{0,2}(\d{3})[ -]?(\d{2})[ -]?(\d{2})(?!\d)")
_BEARER: Final = re.compile(r"(?i)\b(bearer\s+)[^\s'\",;]+")
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]*@")
_PHONE_LENGTH_MIN: Final = 11
_PHONES: Final = range(70_000_000_000, 80_000_000_000)
_TRACEBACKS: Final = ("exception", "stack")
_NOT_PHONES: Final = ("_id", "_us", "_ns", "_ids")


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module: ``log = get_logger(__name__)``; it follows ``configure`` at its first use."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure(log_format: Format = "console", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs, ours and other libraries', to ``stream`` (stderr) in one format, from ``level`` on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    last = _last_steps(log_format, handler.stream)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=shared, processors=[ProcessorFormatter.remove_processors_meta, *last])
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    _quiet_libraries(number)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: _Lines(handler, *names),
        cache_logger_on_first_use=True,
    )


class _Lines:
    """Where our own lines go once they are text: to the stream of the other libraries' handler, and under its lock.

    Not through that handler: its records know the line of source, the thread and the process that wrote them, which
    nobody sees here, and made a line cost 75 us instead of 15. There is one for each request."""

    __slots__ = ("_handler", "name")

    def __init__(self, handler: logging.StreamHandler[TextIO], name: str = "") -> None:
        self._handler = handler
        self.name = name

    def _write(self, line: str) -> None:
        handler = self._handler
        handler.acquire()
        try:
            # Whoever reads the log may be gone: that is no failure of what was logged.
            with suppress(OSError, ValueError):
                handler.stream.write(line + "\n")
                handler.stream.flush()
        finally:
            handler.release()

    debug = info = warning = error = critical = _write


def _last_steps(log_format: Format, stream: TextIO) -> list[Processor]:
    """What happens to a line right before it is written; tracebacks become text first, to be masked too."""
    renderers: list[Processor] = (
        [_json]
        if log_format == "json"
        else [_shown, structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)]
    )
    return [structlog.processors.format_exc_info, mask, *renderers]


def _json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    try:
        return visible_json(orjson.dumps(event).decode())
    except TypeError:  # half of a surrogate pair, or an integer of more than 64 bits
        return visible_json(json.dumps(event))


class _Visible(str):
    """A value in which escapes stand for what hides: quotes around it must not double their backslashes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__().replace("\\\\", "\\")


class _Drawn(str):
    """A list or mapping as Python writes it: nothing needs quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what acts on a terminal or hides in it; a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str):
            shown = visible_lines(value) if key in _TRACEBACKS else visible(value)
            if shown is not value:
                event[key] = _Visible(shown)
        elif isinstance(value, dict | list):
            event[key] = _Drawn(visible(repr(value)))
    return event


def _quiet_libraries(number: int) -> None:
    """What these say at DEBUG and INFO is about each statement or request: values and all."""
    for name in ("aiosqlite", "aiohttp.access", "asyncpg", "tortoise", "tortoise.db_client"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("grpc._cython.cygrpc", "aiohttp.server", "asyncio"):
        # What these say of a call or a connection that fails, whoever is at its other end can make them say.
        logger = logging.getLogger(name)
        if not any(isinstance(each, LineLimitFilter) for each in logger.filters):
            logger.addFilter(LineLimitFilter())


def mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what must not be in a log, in every field of a line."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def _masked(key: str, value: Any) -> Any:
    if key.lower() in _SECRET_KEYS:
        return _HIDDEN
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, int):
        return masked_phone(value) if value in _PHONES and not key.endswith(_NOT_PHONES) else value
    if isinstance(value, Mapping):
        return {str(name): _masked(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(key, inner) for inner in value]
    return value if value is None or isinstance(value, float) else mask_text(str(value))


def mask_text(text: str) -> str:
    """Mask phone numbers (``7916*****67``), bearer tokens and passwords in URLs in a text."""
    # Most texts have nothing to hide: to find that out by the three patterns took most of a line's time.
    if len(text) >= _PHONE_LENGTH_MIN:
        text = _PHONE.sub(lambda found: masked_phone(int("7" + "".join(found.groups()))), text)
    if "bearer" in text.lower():
        text = _BEARER.sub(rf"\1{_HIDDEN}", text)
    return _URL_PASSWORD.sub(rf"\1:{_HIDDEN}@", text) if "://" in text else text


def masked_phone(phone: int) -> str:
    """Return a phone number as logs may show it: ``7916*****67``."""
    digits = str(phone)
    return f"{digits[:4]}*****{digits[-2:]}"
