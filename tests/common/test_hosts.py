"""common/hosts.py: who is called by a name of somebody else's, and which page may change something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from common.hosts import HostGuard, Refusal

GUARD = HostGuard(["engine", "Metrics.Example."])


def refused(method: str, *headers: tuple[str, str]) -> int | None:
    found = GUARD.refusal(method, CIMultiDict(headers))
    return None if found is None else found.status


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:9101", "10.0.0.7:1", "[::1]:9101", "[2001:db8::1]", "0.0.0.0:8080"),
        *("localhost", "LocalHost:1", "localhost.", "panel.localhost:8080"),
        *("engine:9101", "ENGINE", "metrics.example", "metrics.example.:443"),
    ],
)
def test_addresses_and_known_names_are_answered(host: str) -> None:
    assert refused("GET", ("Host", host)) is None
    assert refused("POST", ("Host", host), ("Origin", f"http://{host}")) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example:9101",
            "localhost.evil.example",
            "engine.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
        ),
        *("", " 127.0.0.1", "127.0.0.1:x", "[evil.example]", "user@127.0.0.1", "127.0.0.1/", "[::1", "\u0131engine"),
    ],
)
def test_other_names_are_refused_whatever_is_asked(host: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        assert refused(method, ("Host", host)) == 421
        assert refused(method, ("Host", "127.0.0.1"), ("Host", host)) == 421
        assert refused(method, ("Host", host), ("Origin", f"http://{host}"), ("Sec-Fetch-Site", "same-origin")) == 421


def test_a_program_of_http_1_0_names_no_host() -> None:
    assert refused("GET") is None


HERE = ("Host", "127.0.0.1:8090")


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "QUERY"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], None),
        ([("Sec-Fetch-Site", "same-origin")], None),
        ([("Sec-Fetch-Site", "none")], None),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", "http://127.0.0.1:8090")], 403),
        ([("Origin", "http://127.0.0.1:8090")], None),
        ([("Origin", "http://127.0.0.1:8091")], 403),
        ([("Origin", "http://127.0.0.1")], 403),
        ([("Origin", "http://evil.example")], 403),
        ([("Origin", "null")], 403),
        ([("Origin", "")], 403),
    ],
)
def test_only_programs_and_our_own_pages_change_something(
    method: str, headers: list[tuple[str, str]], status: int | None
) -> None:
    assert refused(method, HERE, *headers) == status
    for harmless in ("GET", "HEAD", "OPTIONS"):
        assert refused(harmless, HERE, *headers) is None


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?\.(com|org|example|ru)", fullmatch=True)


@given(NAMES, st.one_of(st.none(), st.integers(1, 65535)))
def test_no_public_name_is_ever_answered(name: str, port: int | None) -> None:
    host = name if port is None else f"{name}:{port}"
    if name != "metrics.example":
        assert refused("GET", ("Host", host)) == 421


@given(st.text(max_size=40))
def test_any_host_is_read_without_a_fault(host: str) -> None:
    found = GUARD.refusal("GET", CIMultiDict({"Host": host}))
    assert found is None or isinstance(found, Refusal)
