"""What a setting's value may look like: addresses, tokens, words, durations.

A validator raises ``ValueError`` with words that follow the setting's name, and that never repeat a
value that may be secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr

TOKEN_LENGTH_MIN: Final = 16
"""Characters of a token that a person chose; those we make have 43 random ones."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: a host (a name, IPv4 or IPv6 without brackets) and a port; 0: any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True when ``host`` is 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_UNIX: Final = ("unix:", "unix-abstract:")
_DNS: Final = re.compile(r"dns:(?:///)?(?=[^/])")
"""The scheme that gRPC supposes anyway; a DNS server of one's own, ``dns://SERVER/name``, is another matter."""


def is_target_loopback(target: str) -> bool:
    """True when a gRPC target is on this machine for sure; a name other than ``localhost`` may be anywhere.

    ``0.0.0.0`` counts: it is what an engine that listens everywhere is told, and a call to it stays on the machine.
    """
    if target.startswith(_UNIX):
        return True
    if target.startswith(("ipv4:", "ipv6:")):
        return all(_is_here(address) for address in target.partition(":")[2].split(","))
    return _is_here(_DNS.sub("", target, count=1))


def authority_of(target: str) -> tuple[tuple[str, str], ...]:
    """The channel option that a gRPC target needs for TLS; none for most.

    Of a list of addresses (``ipv4:10.0.0.1:50051,10.0.0.2:50051``) gRPC looks for the whole list in the certificate.
    The first address is looked for instead, so each engine's certificate must have the first address.
    """
    addresses = target.removeprefix("ipv4:").removeprefix("ipv6:").split(",")
    return (("grpc.default_authority", addresses[0]),) if len(addresses) > 1 else ()


def _is_here(address: str) -> bool:
    """Whether ``host``, ``host:port``, ``[IPv6]:port`` or a bare IPv6 address is this machine's."""
    host = address.partition("]")[0].strip("[") if address.startswith("[") else address
    if host == address and address.count(":") == 1:
        host = address.partition(":")[0]
    try:
        return is_loopback(host) or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def web_address(value: str) -> str:
    """Check the address of somebody whom we call over HTTP."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError("should look like http://127.0.0.1:4318/v1/traces")
    return value


def is_web_address_safe(value: str, *, plaintext: bool = False) -> bool:
    """Whether it is an address that may be called: ``https://``, or ``http://`` on this machine, or anywhere with
    ``plaintext``."""
    try:
        parts = urlsplit(web_address(value))
    except ValueError:
        return False
    return parts.scheme == "https" or plaintext or is_loopback(parts.hostname or "")


_LISTEN: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+)):(?P<port>[0-9]{1,5})")


def listen(value: object) -> object:
    """Read ``127.0.0.1:50051``, ``localhost:0`` or ``[::1]:50051``."""
    if not isinstance(value, str):
        return value
    match = _LISTEN.fullmatch(value.strip())
    if match is None or int(match["port"]) > 65535:
        raise ValueError("should be host:port, such as 127.0.0.1:50051 or [::1]:50051")
    if match["ipv6"] is not None:
        ipaddress.IPv6Address(match["ipv6"])
    return Listen(match["ipv6"] or match["name"], int(match["port"]))


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(value: object) -> object:
    """Read ``10.0.0.7, 192.168.0.0/16``: addresses and networks with commas between them."""
    if not isinstance(value, str):
        return value
    found = []
    for text in filter(None, map(str.strip, value.split(","))):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise ValueError("should be addresses or networks, such as 10.0.0.7, 192.168.0.0/16") from None
    return tuple(found)


_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def host_names(value: object) -> object:
    """Read ``engine, mailing.example``: names of hosts, without ports, with commas between them."""
    if not isinstance(value, str):
        return value
    found = tuple(filter(None, (text.strip().lower().rstrip(".") for text in value.split(","))))
    if not all(_NAME.fullmatch(name) for name in found):
        raise ValueError("should be names of hosts without ports, such as engine, mailing.example")
    return found


def split_url(url: str) -> SplitResult:
    """Take a URL apart; a bad port or bracket becomes a message that doesn't repeat the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts


def is_unbroken(url: str) -> bool:
    """Whether a URL has neither spaces nor control characters: of these each reader of URLs makes something else."""
    return url.isprintable() and " " not in url


def token(value: SecretStr) -> SecretStr:
    """A bearer token travels in a header: visible ASCII only (RFC 6750, section 2.1)."""
    if not re.fullmatch(r"[!-~]{1,4096}", value.get_secret_value()):
        raise ValueError("should be one word of visible ASCII letters")
    return value


def long_token(value: SecretStr) -> SecretStr:
    """A token that somebody made up: too long to be guessed."""
    if len(token(value).get_secret_value()) < TOKEN_LENGTH_MIN:
        raise ValueError(f"should have at least {TOKEN_LENGTH_MIN} characters")
    return value


def lower(value: object) -> object:
    """A word of a list, however it is written: ``INFO`` is ``info``."""
    return value.strip().lower() if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
