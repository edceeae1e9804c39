"""``MAILING_SMTP_URL``: a mail server, and how to be safe on the way to it.

``smtps://`` is TLS from the first byte. ``smtp://`` upgrades by STARTTLS beyond loopback, and does not go on when the
server can't. So nobody on the way can talk us out of TLS. ``?starttls=`` says otherwise; ``?ca=FILE`` names the
authority of a server whose certificate the system does not trust. Errors never repeat the address: it holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from common.setting_types import is_loopback, split_url

_PORTS: Final = {(False, False): 25, (False, True): 587, (True, False): 465}
"""By TLS from the first byte and STARTTLS."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in."""

    host: str
    port: int
    uses_tls: bool
    """TLS from the first byte."""
    starts_tls: bool
    """STARTTLS, or no mail."""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    """Whose certificates are trusted (PEM); ``None``: those that the system trusts."""

    @property
    def is_safe(self) -> bool:
        """Whether nobody beyond this machine can read what is said."""
        return self.uses_tls or self.starts_tls or is_loopback(self.host)

    def __str__(self) -> str:
        """For logs: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'smtps' if self.uses_tls else 'smtp'}://{host}:{self.port}"


def parse(url: str) -> SmtpServer:
    """Read the address.

    Raises:
        ValueError: it can't be used; says what is wrong.
    """
    parts = split_url(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("should be smtp://HOST or smtps://HOST, such as smtps://USER:PASSWORD@mail.example")
    if parts.path.strip("/") or parts.fragment:
        raise ValueError("should have nothing after the host but parameters; / in a password is written %2F")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("should have both a user and a password, or neither")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isprintable():
        raise ValueError("should have no control characters in user and password")
    uses_tls, options = parts.scheme == "smtps", _options(parts.query)
    if uses_tls and "starttls" in options:
        raise ValueError("should have no starttls with smtps://, which is TLS from the first byte")
    default = "never" if uses_tls or is_loopback(parts.hostname) else "always"
    starts_tls = options.get("starttls", default) == "always"
    port = _PORTS[uses_tls, starts_tls] if parts.port is None else parts.port
    ca = _readable(Path(options["ca"])) if "ca" in options else None
    return SmtpServer(parts.hostname, port, uses_tls, starts_tls, user, password, ca)


def _options(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    if found.keys() - {"starttls", "ca"}:
        raise ValueError("should have no parameters but starttls and ca")
    if found.get("starttls", "never") not in ("always", "never"):
        raise ValueError("should have always or never as starttls")
    return found


def _readable(file: Path) -> Path:
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise ValueError(f"names a file as ca that can't be read: {error.strerror}") from None
