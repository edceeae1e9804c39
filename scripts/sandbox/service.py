"""The service that the sandbox calls as a provider does: with what people answer, and with receipts.

A provider has a token of the role ``provider``. Here it is read from a file at each call: the sandbox runs before the
service does, which makes the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit


class NoService(Exception):
    """There is nobody to call; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that is called."""

    url: str
    token_file: Path | None
    """Has the token; it may be made later. ``None``: calls bear none."""

    def headers(self) -> dict[str, str]:
        """The headers that say who calls. Raises NoService: there is no token."""
        if self.token_file is None:
            return {}
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token:
            raise NoService(f"no token: {self.token_file} should have one of the role provider")
        return {"Authorization": f"Bearer {token}"}

    @property
    def checks_certificate(self) -> bool:
        """False on this machine: there the certificate is for the name by which others call the service."""
        host = urlsplit(self.url).hostname or ""
        try:
            return not (host == "localhost" or ip_address(host).is_loopback)
        except ValueError:
            return True


@dataclass(frozen=True, slots=True)
class Service:
    """The gateway."""

    url: str
    """Its address, without a path."""
    token_file: Path

    def target(self, path: str) -> Target:
        """One of its routes."""
        return Target(self.url + path, self.token_file)
