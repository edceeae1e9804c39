"""``postgres://…`` as hosting companies write it, taken apart: libpq's form and its parameters.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS. What we can't do as it is meant is an
error here, before anything connects: a parameter that is overlooked may be the one that asks for encryption. Errors
name the parameter and never repeat what may be a password.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote

from common.setting_types import split_url

SCHEMES: Final = ("postgres", "postgresql")
PORT: Final = 5432
CONNECT_SECONDS: Final = 15.0
"""How long a connection may take unless ``connect_timeout`` says so: name, TCP, TLS and password together."""
CONNECT_SECONDS_MAX: Final = 3600
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ENCRYPTED: Final = _MODES[3:]
_SYSTEM: Final = "system"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            mistyped = f", not {value!r}" if re.fullmatch("[a-z_-]{1,16}", value) else ""  # no piece of a password
            raise ValueError(f"should be one of {', '.join(words)}{mistyped}")
        return value

    return read


def _file(value: str) -> str:
    try:
        with Path(value).open("rb"):
            return value
    except OSError as error:
        raise ValueError(f"{value[:200]} can't be read: {error.strerror}") from None


def _seconds(value: str) -> str:
    if not re.fullmatch("[0-9]{1,4}", value) or not 1 <= int(value) <= CONNECT_SECONDS_MAX:
        raise ValueError(f"should be 1 to {CONNECT_SECONDS_MAX} whole seconds")
    return value


def _port(value: str) -> str:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= 65_535:
        raise ValueError("should be 1 to 65535")
    return value


PARAMETERS: Final[Mapping[str, Callable[[str], str]]] = {
    "application_name": str,
    "channel_binding": _one_of("disable", "prefer", "require"),
    "connect_timeout": _seconds,
    "dbname": str,
    "gssencmode": _one_of("disable", "prefer"),  # we never use it
    "host": str,
    "options": str,
    "password": str,
    "port": _port,
    "sslcert": _file,
    "sslkey": _file,
    "sslmode": _one_of(*_MODES),
    "sslnegotiation": _one_of("postgres", "direct"),
    "sslpassword": str,
    "sslrootcert": lambda value: value if value == _SYSTEM else _file(value),
    "target_session_attrs": _one_of("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    "user": str,
}


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where a database is and how to connect to it; ``None``: as libpq would find it (``PGUSER``, ``~/.pgpass``, …)."""

    host: str | None
    """A name, an address, or the folder of a Unix socket."""
    port: int
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The others, each valid by itself."""

    @property
    def name(self) -> str:
        """The URL for people: without the password and the parameters."""
        user = "" if self.user is None else quote(self.user, safe="") + (":***" if self.password else "") + "@"
        host, port = self.host or "", "" if self.port == PORT else f":{self.port}"
        if host.startswith("/"):
            return f"postgres://{user}{port}/{quote(self.database)}?host={quote(host)}"
        return f"postgres://{user}{f'[{host}]' if ':' in host else host}{port}/{quote(self.database)}"

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take to be made."""
        return float(self.parameters.get("connect_timeout", CONNECT_SECONDS))

    @property
    def ssl_mode(self) -> str | None:
        """One of libpq's words; ``None``: the default, TLS where the server has it."""
        given = self.parameters.get("sslmode")
        if given == "require" and self.parameters.get("channel_binding") == "require":
            # It is to keep out who stands between, and our driver has no other way to do that.
            return "verify-full"
        return "verify-full" if given is None and self.parameters.get("sslrootcert") == _SYSTEM else given

    def tls(self) -> ssl.SSLContext | str | bool | None:
        """What the driver is told: a context of our own where TLS is a must, else the mode's name.

        Raises:
            ValueError: a certificate or key is no good.
        """
        mode = self.ssl_mode
        if mode not in _ENCRYPTED:
            return False if mode == "disable" else mode
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["postgresql"])  # sslnegotiation=direct needs it, and libpq always says it
        root = self.parameters.get("sslrootcert")
        context.check_hostname = mode == "verify-full"
        if mode == "require" and root is None:
            context.verify_mode = ssl.CERT_NONE  # libpq's meaning of it: encrypted, whoever it is
        elif root is None or root == _SYSTEM:
            context.load_default_certs()
        else:
            _load("sslrootcert", lambda: context.load_verify_locations(root))
        if (certificate := self.parameters.get("sslcert")) is not None:
            key, password = self.parameters.get("sslkey"), self.parameters.get("sslpassword", "")
            _load("sslcert, sslkey", lambda: context.load_cert_chain(certificate, key, lambda: password))
        return context

    def connect_arguments(self) -> dict[str, Any]:
        """The arguments of ``asyncpg.connect``, but for ``server_settings``."""
        arguments: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "timeout": self.connect_seconds,
        }
        if (secure := self.tls()) is not None:
            arguments["ssl"] = secure
        if "sslnegotiation" in self.parameters:
            arguments["direct_tls"] = self.parameters["sslnegotiation"] == "direct"
        if "target_session_attrs" in self.parameters:
            arguments["target_session_attrs"] = self.parameters["target_session_attrs"]
        return arguments

    def server_settings(self) -> dict[str, str]:
        """What the server is asked for at the start of a session."""
        return {name: self.parameters[name] for name in ("application_name", "options") if name in self.parameters}


def parse(url: str) -> PostgresUrl:
    """Take a URL apart.

    Raises:
        ValueError: with words that follow the setting's name.
    """
    parts = _split(url)
    given = _parameters(parts.query)
    user, password, host = (
        None if part is None else _decoded(part) for part in (parts.username, parts.password, parts.hostname)
    )
    database = given.pop("dbname", None) or _decoded(parts.path.removeprefix("/"))
    if not database.strip("/"):
        raise ValueError("should name a database, such as postgres://user@host/mailing")
    found = PostgresUrl(
        host=_host(given.pop("host", None) or host or None),
        port=int(given.pop("port", parts.port or PORT)),
        database=database,
        user=given.pop("user", None) or user or None,
        password=given.pop("password", None) or password or None,
        parameters=given,
    )
    _check_together(found)
    return found


def _split(url: str) -> SplitResult:
    hosts = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if "," in hosts:
        raise ValueError("names several hosts: name one")
    parts = split_url(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("should begin with postgres:// or postgresql://")
    if "@" in parts.path:  # most likely a password with a / in it, which would be shown as the database's name
        raise ValueError("has an @ behind its first /: write / as %2F in a password, and @ as %40 in a name")
    if parts.fragment:
        raise ValueError("has a # in it: write it as %23")
    return parts


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        read = PARAMETERS.get(name)
        if read is None:
            shown = f"parameter {name}" if re.fullmatch("[A-Za-z_]{1,32}", name) else "a parameter"
            raise ValueError(f"{shown} is not known; there are {', '.join(PARAMETERS)}")
        if name in found:
            raise ValueError(f"{name} is given twice")
        try:
            found[name] = read(_decoded(value))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return found


def _decoded(text: str) -> str:
    """A part without its percent-encoding; ``+`` is no blank, here as in libpq."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a % that stands for no UTF-8") from None
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("has a % alone: write it as %25")
    if _CONTROL.search(decoded):
        raise ValueError("has a control character in it")
    return decoded


def _host(host: str | None) -> str | None:
    if host is None or host.startswith("/"):
        return host
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError("has a host that is neither a name nor an address") from None
    return host


def _check_together(url: PostgresUrl) -> None:
    """Refuse what would not be done as it is meant, and read the certificates."""
    given, mode = url.parameters, url.ssl_mode
    for name in ("sslrootcert", "sslcert", "sslkey", "sslpassword"):
        if name in given and mode not in _ENCRYPTED:
            raise ValueError(f"{name} needs sslmode={', '.join(_ENCRYPTED)}")
    if "sslkey" in given and "sslcert" not in given:
        raise ValueError("sslkey needs sslcert")
    if given.get("sslnegotiation") == "direct" and mode not in _ENCRYPTED:
        raise ValueError(f"sslnegotiation=direct needs sslmode={', '.join(_ENCRYPTED)}")
    if given.get("sslrootcert") == _SYSTEM and mode != "verify-full":
        raise ValueError("sslrootcert=system needs sslmode=verify-full")
    if given.get("channel_binding") == "require" and mode not in _ENCRYPTED:
        raise ValueError(f"channel_binding=require needs sslmode={', '.join(_ENCRYPTED)}")
    if mode == "verify-ca" and "sslrootcert" not in given:
        raise ValueError("sslmode=verify-ca needs sslrootcert")
    url.tls()


def _load(name: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        why = (error.reason or "no PEM").lower().replace("_", " ")
        raise ValueError(f"{name} can't be used: {why}") from None
    except OSError as error:
        raise ValueError(f"{name} can't be read: {error.strerror}") from None
