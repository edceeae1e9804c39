"""gateway/http/crowd.py: who may connect, and who goes when there is no room."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.http.crowd import Crowd, network_of

PROXY = ipaddress.ip_network("10.0.0.0/24")


class Silent:
    """A connection; ``busy``: something is being done for it."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy, self.closed = busy, False

    def is_idle(self) -> bool:
        return not self.busy

    def give_way(self) -> None:
        self.closed = True


def filled(crowd: Crowd[Silent], address: str, count: int, *, busy: bool = False) -> list[Silent]:
    members = [Silent(busy=busy) for _ in range(count)]
    assert [crowd.join(address, each) for each in members] == [None] * count
    return members


@pytest.mark.parametrize(
    ("address", "of_one"),
    [("5.6.7.8", 3), ("2001:db8::1", 3), ("127.0.0.1", 50), ("::1", 50), ("::ffff:127.0.0.1", 50), ("10.0.0.9", 50)],
)
def test_one_address_has_a_share_and_loopback_and_proxies_have_all(address: str, of_one: int) -> None:
    crowd: Crowd[Silent] = Crowd(50, 3, [PROXY])
    filled(crowd, address, of_one)
    more = crowd.join(address, Silent())
    assert more == (None if of_one == 50 else "your address has 3 connections already")
    assert crowd.join("9.9.9.9", Silent()) is None
    assert len(crowd) == min(50, of_one + 1)


def test_an_address_of_ipv6_is_the_network_of_a_household() -> None:
    crowd: Crowd[Silent] = Crowd(50, 3)
    for last in range(3):
        assert crowd.join(f"2001:db8::{last}", Silent()) is None
    assert crowd.join("2001:db8::ffff", Silent()) is not None
    assert crowd.join("2001:db8:0:1::1", Silent()) is None
    assert [network_of("fe80::1%eth0"), network_of("::ffff:1.2.3.4"), network_of("")] == ["fe80::/64", "1.2.3.4", ""]


def test_the_busiest_address_makes_room_and_its_most_silent_goes_first() -> None:
    crowd: Crowd[Silent] = Crowd(10, 8)
    few, many = filled(crowd, "1.1.1.1", 3), filled(crowd, "2.2.2.2", 7)
    crowd.heard_of("2.2.2.2", many[0])
    many[1].busy = True
    for _ in range(3):
        assert crowd.join("3.3.3.3", Silent()) is None
    assert [each.closed for each in many] == [False, False, True, True, True, False, False]
    assert not any(each.closed for each in few)
    assert len(crowd) == 10


def test_who_is_being_answered_stays_and_then_the_newcomer_waits() -> None:
    crowd: Crowd[Silent] = Crowd(4, 4)
    busy, idle = filled(crowd, "1.1.1.1", 3, busy=True), filled(crowd, "2.2.2.2", 1)
    assert crowd.join("3.3.3.3", Silent(busy=True)) is None  # for the idle one, though its address has fewest
    assert idle[0].closed
    assert crowd.join("3.3.3.3", Silent()) == "too many connections"
    crowd.leave("1.1.1.1", busy[0])
    assert crowd.join("3.3.3.3", Silent()) is None
    assert len(crowd) == 4


def test_who_left_is_forgotten_once() -> None:
    crowd: Crowd[Silent] = Crowd(4, 4)
    member = filled(crowd, "1.1.1.1", 1)[0]
    for _ in range(2):
        crowd.leave("1.1.1.1", member)
    crowd.heard_of("1.1.1.1", member)
    assert len(crowd) == 0
