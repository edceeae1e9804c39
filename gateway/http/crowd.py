"""How many connections there may be, of all and of one address; and who goes when a newcomer finds no room."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from common.error_codes import ErrorCode, Fault
from common.setting_types import Network
from gateway.http.caller import is_within

_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_IPV6_PREFIX: Final = 64
"""What one customer of a provider has: whoever has an IPv6 address has all of these."""


class Member(Protocol):
    """A connection."""

    def is_idle(self) -> bool:
        """Whether nothing would be lost with it: no request is being worked on, or nobody takes the answer."""

    def give_way(self) -> None:
        """Close."""


M = TypeVar("M", bound=Member)


class Crowd(Generic[M]):
    """The open connections by address, each address's in the order in which they were last heard of."""

    def __init__(self, most: int, of_one: int, trusted: Sequence[Network] = ()) -> None:
        self._most, self._of_one, self._trusted = most, of_one, (*_LOOPBACK, *trusted)
        self._members: dict[str, OrderedDict[M, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, address: str, member: M) -> Fault | None:
        """Let a newcomer in, making room if need be: among those of the address that has most, the idle one that has
        said nothing for longest goes. Returns why there is no room; ``None``: there was."""
        key = network_of(address)
        own = self._members.get(key, ())
        if len(own) >= self._of_one and not is_within(address, self._trusted):
            return ErrorCode.TOO_MANY_CONNECTIONS.format(max=self._of_one)
        if self._count >= self._most and not self._make_room():
            return ErrorCode.TOO_MANY_CONNECTIONS_OF_ALL.format()
        self._members.setdefault(key, OrderedDict())[member] = None
        self._count += 1
        return None

    def leave(self, address: str, member: M) -> None:
        """Forget a connection, if it is known."""
        key = network_of(address)
        own = self._members.get(key)
        if own is not None and member in own:
            del own[member]
            self._count -= 1
            if not own:
                del self._members[key]

    def heard_of(self, address: str, member: M) -> None:
        """Note that a connection has sent something."""
        own = self._members.get(network_of(address))
        if own is not None and member in own:
            own.move_to_end(member)

    def _make_room(self) -> bool:
        for key in sorted(self._members, key=lambda each: -len(self._members[each])):
            own = self._members[key]
            leaving = next((each for each in own if each.is_idle()), None)
            if leaving is not None:
                del own[leaving]
                self._count -= 1
                if not own:
                    del self._members[key]
                leaving.give_way()
                return True
        return False


def network_of(address: str) -> str:
    """What counts as one address."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), _IPV6_PREFIX), strict=False))
