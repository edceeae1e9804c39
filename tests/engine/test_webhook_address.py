"""No webhook has an address that only this machine or its network can reach, in whatever way it is written."""

from __future__ import annotations

import pytest

from engine.webhook_address import is_inner, url_problem

INNER = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # this, private
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",  # clouds' own
    "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:7f00:1::", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "100::1", "not an address", "",
)  # fmt: skip
OUTER = ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")
FORMS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0",
    "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fd00:ec2::254]", "10.1",
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "１２７.0.0.1", "127。0。0。1", "localhost", "LOCALHOST",
    "localhost.", "a.localhost", "192.168.0.1", "[fe80::1%25eth0]",
)  # fmt: skip
MALFORMED = (
    "", "x", "https://", "https:///path", "ftp://example.com", "file:///etc/passwd", "https://a@example.com",
    "https://a:b@example.com", "https://:@example.com", "https://example.com/#x", "https://example.com#",
    "https://example.com:99999", "https://example.com:x", "https://example.com:0", "https://exa mple.com",
    "https://example.com/\n", "https://example.com\\@127.0.0.1/", "https://[::1", "gopher://example.com",
    "//example.com", "javascript:alert(1)", "https://example.com/\x7f",
)  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses(address: str) -> None:
    assert is_inner(address)


@pytest.mark.parametrize("address", OUTER)
def test_addresses_of_the_world(address: str) -> None:
    assert not is_inner(address)


@pytest.mark.parametrize("host", FORMS)
@pytest.mark.parametrize("rest", ["", ":8080/x?y=z"])
def test_every_way_to_write_an_inner_address(host: str, rest: str) -> None:
    problem = url_problem(f"https://{host}{rest}", private=False)
    assert problem is not None
    assert problem.code == "WEBHOOK_PRIVATE"
    assert url_problem(f"https://{host}{rest}", private=True) is None


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("url", MALFORMED)
def test_what_is_no_address_of_a_webhook(url: str, private: bool) -> None:
    problem = url_problem(url, private=private)
    assert problem is not None
    assert problem.code == "WEBHOOK_ADDRESS"


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://example.com:8443/a/b?c=d", "https://пример.рф/x", "https://8.8.8.8/"]
)
def test_good_ones(url: str) -> None:
    assert url_problem(url, private=False) is None


def test_plain_http_is_for_private_networks() -> None:
    assert url_problem("http://127.0.0.1:8000/", private=True) is None
    problem = url_problem("http://example.com/", private=False)
    assert problem is not None
    assert problem.code == "WEBHOOK_ADDRESS"
