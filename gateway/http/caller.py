"""Whose address a request comes from, when proxies of ours may stand in between.

Anybody can write anything into ``X-Forwarded-For``; each proxy appends whom it got the request from. So it is read
from the right, and only as far as proxies that are trusted (``MAILING_TRUSTED_PROXIES``) have written it; nginx does
the same with ``real_ip_recursive``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from common.setting_types import Network

TRUSTED_PROXIES: Final = web.AppKey("TRUSTED_PROXIES", tuple[Network, ...])
HEADER: Final = "X-Forwarded-For"
_KEY: Final = web.RequestKey("address", str)
_WITH_PORT: Final = re.compile(r"\[(?P<ipv6>[0-9A-Fa-f:.]+)\](?::[0-9]+)?|(?P<ipv4>[0-9.]+):[0-9]+")
"""Some proxies (Azure's) say the port as well."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(request: web.Request) -> str:
    """The caller's address; empty when the connection has gone and nobody has asked before."""
    found = request.get(_KEY)
    if found is None:
        trusted = request.config_dict[TRUSTED_PROXIES]  # the panel asks from an application below the gateway's
        found = request.remote or ""
        if trusted:
            found = behind_proxies(found, request.headers.getall(HEADER, ()), trusted)
        request[_KEY] = found
    return found


def is_https(request: web.Request) -> bool:
    """Whether the caller speaks HTTPS: with us, or with a proxy that is trusted to say so."""
    if request.secure:
        return True
    if request.headers.get("X-Forwarded-Proto", "").strip().lower() != "https":
        return False
    trusted: tuple[Network, ...] = request.config_dict[TRUSTED_PROXIES]
    return is_within(request.remote or "", trusted)


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    found = _read(address)
    return found is not None and any(found in network for network in networks)


def behind_proxies(peer: str, headers: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address that no trusted proxy has; when all are trusted, the first; ``peer``: of the connection.

    What is no address can't be believed, nor can what stands before it.
    """
    found, address = peer, _read(peer)
    for text in reversed(",".join(headers).split(",")):
        if address is None or not any(address in network for network in trusted):
            break
        address = _read(text.strip())
        found = found if address is None else str(address)
    return found


def _read(text: str) -> _Address | None:
    if match := _WITH_PORT.fullmatch(text):
        text = match["ipv6"] or match["ipv4"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # how a socket that listens on [::] names an IPv4 peer
    return address
