"""Against web pages of others: DNS rebinding, and requests that a page sends to us in a person's browser.

A page on ``evil.example`` may give its own name our address; the browser then takes us for that page, and lets it read
what we answer. It can't choose the ``Host``, though: that is its own name. An address as ``Host`` can't come about so,
for whoever has no name has nothing to bind anew. And a page can send a form or a plain POST to any address without
reading the answer; the browser then says so, in ``Sec-Fetch-Site`` or ``Origin``. Programs send neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, Protocol

from common.error_codes import ErrorCode, Fault

_AUTHORITY: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: Final = frozenset({"same-origin", "none"})
"""``none``: a person did it, by a bookmark or in the address bar. ``same-site`` is another port, or another service."""


class Headers(Protocol):
    """A request's headers, as aiohttp and multidict have them."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """All values under this name, whatever its case."""
        ...


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    fault: Fault


class HostGuard:
    """Knows by which names a server may be called, beside addresses and ``localhost``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in names)

    def refusal(self, method: str, headers: Headers) -> Refusal | None:
        """Why a request is not to be answered; ``None``: it may be."""
        hosts = headers.getall("Host", ())
        for host in hosts:
            if not self.knows(host):
                return Refusal(421, ErrorCode.UNKNOWN_HOST.format(host=repr(host[:100])))
        if method in _HARMLESS or _is_own(headers, hosts):
            return None
        return Refusal(403, ErrorCode.OTHER_SITE.format())

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` is an address, ``localhost``, or one of the names."""
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = (found["ipv6"] or found["name"]).lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or name in self._names or _is_address(name)


def _is_own(headers: Headers, hosts: Sequence[str]) -> bool:
    """Whether a program sends this, or a page of ours."""
    sites = headers.getall("Sec-Fetch-Site", ())
    if sites:
        return _OURS.issuperset(sites)
    # Browsers before 2023, and pages in the clear, which get no Sec-Fetch-Site.
    origins = headers.getall("Origin", ())
    return all(origin.partition("://")[2] in hosts for origin in origins)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
