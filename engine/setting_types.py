"""What the values of the engine's own settings may look like; see ``common.setting_types``."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Final

from pydantic import SecretStr

from common.error_codes import Unfit
from common.setting_types import is_unbroken, split_url
from engine import postgres_url, smtp_url
from engine.domain.access import Role
from engine.domain.stop_words import bare
from engine.domain.window import parse_minute
from engine.domain.zone_names import is_time_zone

_MAIL_ADDRESS: Final = re.compile(r"[^\s@<>(),;:\"\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}")
_RECIPIENTS_MAX: Final = 50


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
    if not is_unbroken(value):
        raise ValueError("should have no spaces: one is written %20")
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


def is_mail_address(text: str) -> bool:
    """Whether it is an address of mail without a name: ``anna@example.com``."""
    return _MAIL_ADDRESS.fullmatch(text) is not None and text.isascii() and text.isprintable()


def oidc_issuer(value: str) -> str:
    """The address by which an OpenID Connect provider calls itself, to the letter."""
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("should be an address such as https://accounts.example.com, as the provider says it")
    return value


def oidc_roles(value: object) -> object:
    """Read ``it=admin, marketing=operator``: values of the claim, and the roles that they give."""
    if not isinstance(value, str):
        return value
    found: dict[str, Role] = {}
    for pair in filter(None, map(str.strip, value.split(","))):
        said, _, word = map(str.strip, pair.rpartition("="))
        role = next((each for each in Role if each.is_rank and each.word == word.lower()), None)
        if not said or role is None:
            raise ValueError("should be VALUE=ROLE with commas between them, such as it=admin,staff=viewer")
        found[said] = role
    return tuple(found.items())


def mail_address(value: str) -> str:
    """An address of mail."""
    if not is_mail_address(value):
        raise ValueError("should be an address such as anna@example.com")
    return value


def mail_addresses(value: object) -> object:
    """Read ``anna@example.com, oleg@example.com``."""
    if not isinstance(value, str):
        return value
    found = tuple(dict.fromkeys(filter(None, map(str.strip, value.split(",")))))
    if len(found) > _RECIPIENTS_MAX:
        raise ValueError(f"should be at most {_RECIPIENTS_MAX} addresses")
    try:
        return tuple(map(mail_address, found))
    except ValueError:
        raise ValueError("should be addresses with commas between them, such as anna@example.com") from None


def smtp_server(value: SecretStr) -> SecretStr:
    """The address of a mail server, see ``smtp_url``."""
    smtp_url.parse(value.get_secret_value())
    return value


def time_of_day(value: str) -> str:
    """From 00:00 to 23:59."""
    try:
        parse_minute(value)
    except Unfit:
        raise ValueError("should be a time of day, such as 08:00") from None
    return value
