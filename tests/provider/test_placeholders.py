"""Placeholders: whatever a text is, it arrives whole, and it ends nothing early."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import Request
from engine.provider.description import RequestTable
from engine.provider.placeholders import Filling, Hole, parse
from engine.provider.shapes import Shapes

NOW: Final = 1_795_000_000.0
SECRETS: Final = {"token": 'a/b&c="%s"'}
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def shapes(
    table: dict[str, Any], url: str = "https://h/p", sender: str = "", low: float = 1, high: float = 1e6
) -> Shapes:
    return Shapes(parse(url), RequestTable.model_validate(table), Filling(SECRETS, sender, low, high, lambda: NOW))


def sent(found: Shapes, request: Request) -> tuple[str, str | None, dict[str, str]]:
    """Address, body and the changing headers of a request."""
    url, body, headers = found.shape_of(request)
    return url.fill(request), body and body.fill(request), {name: value.fill(request) for name, value in headers}


def request(text: str = "x", *, sender: str = "", valid_seconds: float = 0, segments: int = 1) -> Request:
    return Request(2**63 - 1, 79161234567, text, 5.0, sender, valid_seconds, segments)


@given(text=TEXTS, sender=TEXTS)
def test_any_text_arrives_whole_in_json(text: str, sender: str) -> None:
    body = {
        "id": "{id:number}",
        "to": ["+{phone}", {"text": "<{text}> {{%s}} {secret.token}"}],
        'a"key': "{sender}",
        "n": 1.5,
        "yes": True,
        "{text}": "a key is no template",
    }
    found = orjson.loads(sent(shapes({"json": body}), request(text, sender=sender))[1] or "")
    expected = {
        "id": 2**63 - 1,
        "to": ["+79161234567", {"text": f'<{text}> {{%s}} a/b&c="%s"'}],
        'a"key': sender,
        "n": 1.5,
        "yes": True,
        "{text}": "a key is no template",
    }
    if not sender:
        del expected['a"key']
    assert found == expected


@given(text=TEXTS)
def test_any_text_arrives_whole_in_a_form_and_in_an_address(text: str) -> None:
    fields = {"to": "+{phone}", "m&s": "<{text}>", "key": "{secret.token}", "fmt": 3, "flash": False}
    table = {"form": fields, "query": fields}
    url, body, _ = sent(shapes(table, "https://h/p/{text}/{secret.token}?v=1"), request(text))
    expected = [
        ("to", "+79161234567"),
        ("m&s", f"<{text}>"),
        ("key", SECRETS["token"]),
        ("fmt", "3"),
        ("flash", "false"),
    ]
    assert parse_qsl(body or "", strict_parsing=True, keep_blank_values=True) == expected
    parts = urlsplit(url)
    assert parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True) == [("v", "1"), *expected]
    assert (parts.netloc, parts.fragment, parts.path.count("/")) == ("h", "", 3)
    assert url.isascii()


def test_what_needs_something_that_is_not_there_is_left_out() -> None:
    table = {
        "headers": {"X-Sender-Until": "{valid_until}", "X-Id": "{id}"},
        "query": {"from": "by {sender}", "ttl": "{valid_minutes}"},
        "json": {"a": ["{sender}", "b"], "c": {"ttl": "{valid_seconds:number}"}},
    }
    found = shapes(table)
    assert sent(found, request()) == (
        "https://h/p",
        '{"a":["b"],"c":{}}',
        {"x-id": str(2**63 - 1)},
    )
    assert sent(found, request(sender="Shop", valid_seconds=90)) == (
        "https://h/p?from=by%20Shop&ttl=1",
        '{"a":["Shop","b"],"c":{"ttl":90}}',
        {"x-sender-until": "2026-11-18T11:08:10.000Z", "x-id": str(2**63 - 1)},
    )
    assert sent(shapes(table, sender="First"), request())[0] == "https://h/p?from=by%20First"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3599.9, ["3599", "59", "1", "00:59", "2026-11-18T12:06:39.000Z"]),
        (7200.0, ["7200", "120", "2", "02:00", "2026-11-18T13:06:40.000Z"]),
        (90_000.0, ["86400", "1440", "24", "24:00", "2026-11-19T11:06:40.000Z"]),
        (0.5, ["60", "1", "1", "00:01", "2026-11-18T11:07:40.000Z"]),
    ],
)
def test_validity_in_each_writing_and_within_its_limits(seconds: float, expected: list[str]) -> None:
    names = ["valid_seconds", "valid_minutes", "valid_hours", "valid_clock", "valid_until"]
    found = shapes({"form": {name: f"{{{name}}}" for name in names}}, low=60, high=86_400)
    body = sent(found, request(valid_seconds=seconds))[1]
    assert [value for _, value in parse_qsl(body or "")] == expected


def test_segments() -> None:
    assert sent(shapes({"json": {"parts": "{segments:number}"}}), request(segments=3))[1] == '{"parts":3}'


def test_a_template_is_taken_apart() -> None:
    assert parse("a{{b}}c{text}d{secret.t_1}") == ("a", "{", "b", "}", "c", Hole("text"), "d", Hole("secret.t_1"))
    assert parse("{id:number}") == (Hole("id", True),)
    assert parse("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{phon}", "did you mean {phone}"),
        ("{zzz}", "there are id, phone"),
        ("{secret.}", "is no placeholder"),
        ("{text:number}", "text is no number"),
        ("+{phone:number}", "stands alone"),
        ("a{b", "a brace alone"),
        ("a}b", "a brace alone"),
        ("{}", "is no placeholder"),
    ],
)
def test_templates_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)
