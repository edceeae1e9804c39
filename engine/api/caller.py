"""Who is calling, and from where."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from engine.domain.access import Identity, Unauthenticated
from engine.store.rows import Actor

if TYPE_CHECKING:  # it imports this module
    from engine.api.interceptors import Context

AUTHORIZATION: Final = "authorization"
FORWARDED_FOR: Final = "x-forwarded-for"
"""Set by the gateway to the address of whom it calls for."""
_IPV6_HOST_BITS: Final = 64
"""One customer has at least so many addresses: they are one host."""

_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)


def set_identity(identity: Identity | None) -> None:
    """Note who makes the call that is being answered (the interceptor does)."""
    _identity.set(identity)


def identity_of_call() -> Identity:
    """Who makes the call that is being answered. Raises Unauthenticated when the method is open and nobody has said."""
    identity = _identity.get()
    if identity is None:
        raise Unauthenticated("nobody is signed in")
    return identity


def caller_key() -> str:
    """Who makes the call that is being answered: the same for all calls of one account or token."""
    return _key_of(identity_of_call())


def caller(context: Context) -> Actor:
    """The caller, for the audit list."""
    identity = identity_of_call()
    return Actor(identity.name, peer_of(context), _key_of(identity))


def _key_of(identity: Identity) -> str:
    """All sessions of an account are one caller; names say less: a token may be called as another one or an account."""
    if identity.account_id is not None:
        return f"account {identity.account_id}"
    return f"token {identity.token_id}"


def peer_of(context: Context) -> str:
    """The caller's address: as gRPC names it, and before that whom the gateway calls for. Any caller can claim to call
    for another, so the address that is sure is always shown: ``198.51.100.7 via ipv4:127.0.0.1:5123``."""
    forwarded, peer = _forwarded_for(context), str(context.peer())
    return peer if forwarded is None else f"{forwarded} via {peer}"


def host_of(context: Context) -> str:
    """The caller's host, or that of whom the gateway calls for: by it guessing of passwords is slowed down."""
    forwarded = _forwarded_for(context)
    if forwarded is not None:
        return _network(forwarded)
    kind, _, address = str(context.peer()).replace("%5B", "[").replace("%5D", "]").partition(":")
    host = address.rpartition(":")[0].strip("[]")
    return _network(host) if kind in ("ipv4", "ipv6") else kind


def metadata_value(context: Context, name: str) -> str | None:
    """The value of a metadata key; ``None``: it is not there, or there is more than one."""
    values = [value for key, value in context.invocation_metadata() or () if key == name]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _forwarded_for(context: Context) -> str | None:
    """The address in ``x-forwarded-for``, the last one when there are several; ``None``: there is none."""
    value = (metadata_value(context, FORWARDED_FOR) or "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None


def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_HOST_BITS), strict=False))
