"""Which addresses a webhook may have.

Whoever may make webhooks makes the engine call an address, and reads the begin of the answer. So no call goes to what
only this machine or its network can reach, unless the operator has said so (``MAILING_WEBHOOK_PRIVATE``). The address
is checked here when a webhook is made, for a clear refusal, and each connection once more when it is made
(``engine.hooks.caller``): a name may stand for another address by then.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from common.error_codes import ErrorCode, Fault

_NAT64: Final = IPv6Network("64:ff9b::/96")
_INNER: Final = (
    ip_network("168.63.129.16/32"),
    ip_network("192.0.0.0/24"),
    ip_network("0.0.0.0/8"),
    ip_network("fec0::/10"),
)
"""A cloud's own service for its machines, at an address that looks like anybody's; and what not every version of
``ipaddress`` takes for private."""
_LOCAL_NAME: Final = "localhost"
Address = IPv4Address | IPv6Address


def is_inner(address: str) -> bool:
    """Whether an IP address is one that strangers must not make us call. Also true for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    return any(map(_is_inner, _meant(found)))


def url_problem(url: str, *, private: bool) -> Fault | None:
    """Why a webhook can't have this address; ``None``: it can.

    ``private``: addresses of this machine and of private networks are allowed, and plain HTTP.
    """
    host = _host_of(url, {"http", "https"} if private else {"https"})
    if not host:
        return ErrorCode.WEBHOOK_ADDRESS.format()
    return None if private or not _names_inner(host) else ErrorCode.WEBHOOK_PRIVATE.format()


def _host_of(url: str, schemes: Collection[str]) -> str:
    """The host that a webhook's URL names; empty: it is no such URL."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in schemes and parts.port != 0 and _is_plain(url, parts)
    except ValueError:
        return ""
    return (parts.hostname or "").rstrip(".") if is_good else ""


def _is_plain(url: str, parts: SplitResult) -> bool:
    has_more = parts.username is not None or parts.password is not None or "#" in url
    return not has_more and url.isprintable() and not any(letter.isspace() or letter == "\\" for letter in url)


def _names_inner(host: str) -> bool:
    if host == _LOCAL_NAME or host.endswith(f".{_LOCAL_NAME}"):
        return True
    address = _address_in(host)
    return address is not None and is_inner(address)


def _address_in(host: str) -> str | None:
    """The IP address that a host name is, in any of the ways that resolvers read (``127.1``, ``0x7f000001``,
    ``017700000001``, full-width digits); ``None``: it is a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host.encode("idna").decode()))
    except (OSError, UnicodeError):
        return None


def _meant(address: Address) -> Iterator[Address]:
    """The addresses that a packet to this one may come to."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo


def _is_inner(address: Address) -> bool:
    is_listed = any(address in each for each in _INNER)
    return is_listed or not address.is_global or address.is_multicast or address.is_reserved
