"""Who is calling, and from where."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from common.error_codes import ErrorCode
from common.line_limit import LineLimit
from common.logs import get_logger
from common.networks import network_of
from engine.api.context import Context
from engine.domain.access import ActorKind, Identity, Unauthenticated
from engine.gateways import Gateways
from engine.store.rows import Actor

log = get_logger(__name__)

AUTHORIZATION: Final = "authorization"
FORWARDED_FOR: Final = "x-forwarded-for"
"""Set by a gateway to the address of whom it calls for; believed of those in ``MAILING_GATEWAYS``."""
_LOCAL: Final = "127.0.0.1"
"""In place of an address on a Unix socket."""

_disbelieved: Final = LineLimit(period_seconds=60.0)


class Call(NamedTuple):
    """What is known of the call that is being answered before its message is read."""

    identity: Identity | None
    gateways: Gateways


_NOBODY: Final = Call(None, Gateways())
_call: ContextVar[Call | None] = ContextVar("call", default=None)


def set_call(call: Call) -> None:
    """Note who makes the call that is being answered (the interceptor does)."""
    _call.set(call)


def _this_call() -> Call:
    return _call.get() or _NOBODY


def identity_of_call() -> Identity:
    """Who makes the call that is being answered. Raises Unauthenticated when the method is open and nobody has said."""
    identity = _this_call().identity
    if identity is None:
        raise Unauthenticated(ErrorCode.NOT_SIGNED_IN.format())
    return identity


def caller_key() -> str:
    """Who makes the call that is being answered: the same for all calls of one account or token."""
    return _key_of(identity_of_call())


def _key_of(identity: Identity) -> str:
    """All sessions of an account are one caller; names say less: a token may be called as another one or an account."""
    return f"account {identity.account_id}" if identity.account_id is not None else f"token {identity.token_id}"


def caller(context: Context) -> Actor:
    """The caller, for the audit list."""
    identity = identity_of_call()
    if identity.account_id is not None:
        return Actor(identity.name, peer_of(context), ActorKind.ACCOUNT, identity.account_id)
    return Actor(identity.name, peer_of(context), ActorKind.TOKEN, identity.token_id)


def peer_of(context: Context) -> str:
    """The caller's address: as gRPC names it, and before that whom the gateway calls for:
    ``198.51.100.7 via ipv4:127.0.0.1:5123``."""
    forwarded, peer = _forwarded_for(context), str(context.peer())
    return peer if forwarded is None else f"{forwarded} via {peer}"


def network_of_call(context: Context) -> str:
    """The caller's network, or that of whom the gateway calls for: by it guessing of passwords is slowed down."""
    return network_of(_forwarded_for(context) or _host_of(context))


def key_of_caller(context: Context) -> str:
    """One caller, whose calls are counted together: an account or a token, else a network."""
    identity = _this_call().identity
    return network_of_call(context) if identity is None else _key_of(identity)


def metadata_value(metadata: Any, name: str) -> str | None:
    """The value of a metadata key; ``None``: it is not there, or there is more than one."""
    values = [value for key, value in metadata or () if key == name]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _host_of(context: Context) -> str:
    """The address at the other end of the connection."""
    kind, _, address = str(context.peer()).replace("%5B", "[").replace("%5D", "]").partition(":")
    return address.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else _LOCAL


def _forwarded_for(context: Context) -> str | None:
    """The address in ``x-forwarded-for``, the last one when there are several; ``None``: there is none, or it is not
    a gateway of ours that says it."""
    value = (metadata_value(context.invocation_metadata(), FORWARDED_FOR) or "").rpartition(",")[2].strip()
    try:
        address = str(ipaddress.ip_address(value))
    except ValueError:
        return None
    gateways, host = _this_call().gateways, _host_of(context)
    if gateways.believe(host, context.auth_context() if gateways.names else {}):
        return address
    _disbelieved.write(log.warning, "rpc.forwarded_not_believed", network_of(host), peer=host, see="MAILING_GATEWAYS")
    return None
