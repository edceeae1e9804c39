"""Which addresses belong to one customer of a provider: what one does, all of them do."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

_IPV4_BITS: Final = 24
_IPV6_BITS: Final = 56
_TEXT_LENGTH_MAX: Final = 64


@lru_cache(maxsize=1024)
def network_of(host: str) -> str:
    """The network of an address, as text: the /24 of IPv4, the /56 of IPv6; what is no address stays as it is."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:_TEXT_LENGTH_MAX]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = _IPV4_BITS if address.version == 4 else _IPV6_BITS
    return str(ipaddress.ip_network((address, bits), strict=False))
