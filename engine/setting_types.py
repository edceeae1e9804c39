"""What the values of the engine's own settings may look like; see ``common.setting_types``."""

from __future__ import annotations

from importlib.util import find_spec

from common.setting_types import split_url
from engine import postgres_url
from engine.domain.stop_words import bare
from engine.domain.zone_names import is_time_zone


def database_url(value: str) -> str:
    """``sqlite://path/to/file`` or ``postgres://user:password@host/database``, see ``postgres_url``.

    The message never repeats the value: it may hold a password.
    """
    if value.startswith("sqlite://"):
        path = value.removeprefix("sqlite://")
        if not path or path == ":memory:" or "?" in path or path.endswith("/"):
            raise ValueError("should name a file, such as sqlite://data/mailing.db, without parameters")
        return value
    if value.partition("://")[0].lower() not in postgres_url.SCHEMES:
        raise ValueError("should begin with sqlite:// or postgres://")
    postgres_url.parse(value)
    if find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL needs the extra 'postgres': pip install 'mailing-service[postgres]'")
    return value


def provider_url(value: str) -> str:
    """The provider's base URL, without the slash at its end."""
    parts = split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be an http:// or https:// URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("should hold neither user, password, query nor fragment; the token is FBRQ_TOKEN")
    return value.rstrip("/")


def stop_words(value: object) -> object:
    """Read ``STOP, СТОП``: words with commas between them, one at least."""
    if not isinstance(value, str):
        return value
    words = tuple(filter(None, map(str.strip, value.split(","))))
    if not words or not all(map(bare, words)):
        raise ValueError("should be words with commas between them, such as STOP,СТОП")
    return words


def time_zone(value: str) -> str:
    """A name of the tz database."""
    if not is_time_zone(value):
        raise ValueError("should be an IANA time zone name, such as Europe/Moscow")
    return value
