"""Which callers are gateways of ours: only these are believed when they say for whom they call."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from common.setting_types import Network

_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAME: Final = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")
_CERTIFICATE_NAMES: Final = ("x509_common_name", "x509_subject_alternative_name")


@dataclass(frozen=True, slots=True)
class Gateways:
    """Addresses, and names in the certificate that a caller shows (mutual TLS)."""

    networks: tuple[Network, ...] = _LOOPBACK
    names: frozenset[bytes] = frozenset()

    def believe(self, host: str, certificate: Mapping[str, Iterable[bytes]]) -> bool:
        """Whether a caller from ``host`` with this certificate (gRPC's ``auth_context``) is one of them."""
        if self.names and any(not self.names.isdisjoint(certificate.get(key, ())) for key in _CERTIFICATE_NAMES):
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)

    def __str__(self) -> str:
        return ", ".join([*map(str, self.networks), *sorted(name.decode() for name in self.names)])


def read_gateways(value: object) -> object:
    """Read ``127.0.0.1, 10.0.0.0/24, gateway.internal``: addresses, networks, and names in certificates."""
    if not isinstance(value, str):
        return value
    found: list[Network] = []
    names = set()
    for text in filter(None, map(str.strip, value.split(","))):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            # What looks like an address is one that is mistyped: as a name nobody would ever bear it.
            if re.fullmatch(r"[0-9a-fA-F.:/]+", text) or not _NAME.fullmatch(text):
                raise ValueError(
                    "should be addresses, networks or names in certificates, such as 10.0.0.7, 192.168.0.0/16, "
                    "gateway.internal"
                ) from None
            names.add(text.encode())
    return Gateways(tuple(found), frozenset(names))
