"""What an answer means by a description: the first rule that fits, and nobody guesses where none does."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.outcome import Answer, Verdict, classify
from engine.provider.answers import Judge
from engine.provider.description import Answers
from engine.provider.http import BODY_BYTES_MAX, Reply


class Response:
    """As much of the client's response as is read."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self._headers = status, headers

    def get_header(self, name: str) -> str | None:
        return self._headers.get(name)


def judged(answers: dict[str, Any], status: int, body: object, **headers: str) -> Answer:
    """The answer; ``body`` is JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = Reply(Response(status, named), content)  # type: ignore[arg-type]
    return Judge(Answers.model_validate(answers)).judge(reply, lambda said: said.decode()[:60])


RULES: Final = {
    "provider_message_id": "/messages/0/id",
    "detail": "/error/text",
    "rules": [
        {"means": "blocked", "pointer": "/error/code", "values": ["no_money", 7]},
        {"means": "busy", "status": ["2xx", 429], "pointer": "/busy", "values": [True]},
        {"means": "accepted", "status": [200, 202], "pointer": "/messages/0/status", "values": ["QUEUED", 0]},
        {"means": "accepted", "status": 409},
        {"means": "rejected", "status": [400, 422], "pattern": "(?i)number"},
        {"means": "unknown", "status": 500},
        {"means": "failed", "status": 400},
    ],
}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, {"messages": [{"status": "queued", "id": "a"}]}, Verdict.SENT),
        (200, {"messages": [{"status": 0, "id": 5}]}, Verdict.SENT),
        (200, {"messages": [{"status": "0"}]}, Verdict.SENT),
        (409, {}, Verdict.SENT),
        (409, b"a duplicate", Verdict.SENT),
        (201, {"messages": [{"status": "queued"}]}, Verdict.UNKNOWN),
        (200, {"messages": [{"status": "new word"}]}, Verdict.UNKNOWN),
        (200, {"messages": []}, Verdict.UNKNOWN),
        (200, {"messages": [{"status": None}]}, Verdict.UNKNOWN),
        (200, {"messages": [{"status": False}]}, Verdict.UNKNOWN),
        (200, b"", Verdict.UNKNOWN),
        (200, b"<html>", Verdict.UNKNOWN),
        (200, b'"text"', Verdict.UNKNOWN),
        (200, [1], Verdict.UNKNOWN),
        (200, {"error": {"code": "NO_MONEY"}}, Verdict.BLOCKED),
        (200, {"error": {"code": 7.0}}, Verdict.BLOCKED),
        (200, {"busy": True}, Verdict.BUSY),
        (200, {"busy": 1}, Verdict.UNKNOWN),
        (429, {"busy": "true"}, Verdict.BUSY),
        (429, {}, Verdict.RETRY),
        (400, b"Bad NUMBER", Verdict.REJECTED),
        (400, b"what?", Verdict.RETRY),
        (422, b"what?", Verdict.RETRY),
        (500, b"", Verdict.UNKNOWN),
        (401, {}, Verdict.BLOCKED),
        (403, {}, Verdict.FORBIDDEN),
        (404, {}, Verdict.RETRY),
        (502, b"", Verdict.UNKNOWN),
        (302, b"", Verdict.RETRY),
    ],
)
def test_verdict(status: int, body: object, verdict: Verdict) -> None:
    assert classify(judged(RULES, status, body), 0).verdict is verdict


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("a-1", "a-1"),
        (17, "17"),
        (True, None),
        (None, None),
        ("", None),
        ("x" * 256, None),
        ({"a": 1}, None),
        (1.5, None),
    ],
)
def test_the_providers_id(found: object, expected: str | None) -> None:
    answer = judged(RULES, 200, {"messages": [{"status": 0, "id": found}]})
    assert (answer.verdict, answer.provider_message_id) == (Verdict.SENT, expected)


@pytest.mark.parametrize(
    ("pattern", "body", "expected"),
    [
        (r"ID: (\w+)", b"OK\nID: abc\n", "abc"),
        (r"(\d{4})", b"OK 1234", "1234"),
        (r"ID: (\d*)", b"OK ID: ", None),
        (r"ID: (\d+)", b"OK", None),
    ],
)
def test_an_id_in_a_text(pattern: str, body: bytes, expected: str | None) -> None:
    rules = [{"means": "accepted", "pattern": "^OK"}]
    answers = {"format": "text", "rules": rules, "provider_message_id_pattern": pattern}
    assert judged(answers, 200, body) == Answer(200, True, "", provider_message_id=expected, verdict=Verdict.SENT)


TEXT_RULES: Final = {"format": "text", "rules": [{"means": "accepted", "pattern": "^Принято"}]}


def test_a_text_is_read_by_its_charset() -> None:
    body = "Принято".encode("cp1251")
    assert judged(TEXT_RULES, 200, body, content_type="text/plain; charset=windows-1251").verdict is Verdict.SENT
    refused = judged(TEXT_RULES, 200, "Отказ".encode("cp1251"), content_type="text/plain; charset=windows-1251")
    assert refused.detail == "HTTP 200 with an answer that the provider's description does not know: Отказ"
    assert classify(refused, 0).verdict is Verdict.UNKNOWN


def test_the_words_of_a_failure() -> None:
    assert judged(RULES, 400, {"error": {"text": "bad number"}}).detail == "HTTP 400: bad number"
    assert judged(RULES, 404, {"error": 5}).detail == 'HTTP 404: {"error":5}'
    assert judged(RULES, 302, b"").detail == "HTTP 302 (redirects are not followed)"
    assert judged(RULES, 503, b"", retry_after="7").retry_after == "7"


def test_a_body_that_is_too_large_is_not_looked_at() -> None:
    body = b'{"messages": [{"status": 0}]}' + b" " * BODY_BYTES_MAX
    answer = judged(RULES, 200, body)
    assert answer == Answer(200, False, "HTTP 200: the body is larger than 64 KiB")
    assert judged(RULES, 409, body).verdict is Verdict.SENT  # whose status says all


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["queued", "0", "no_money", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["messages", "status", "id"]), inner),
    max_leaves=8,
)


@given(st.integers(200, 299), JSON | st.binary(max_size=20))
def test_a_success_is_accepted_only_by_a_rule(status: int, body: object) -> None:
    """Whatever comes: no exception, and no text counts as not sent because the description is silent."""
    answer = judged(
        {"rules": [{"means": "accepted", "status": 200, "pointer": "/status", "values": ["queued"]}]}, status, body
    )
    fits = status == 200 and isinstance(body, dict) and body.get("status") == "queued"
    assert classify(answer, 0).verdict is (Verdict.SENT if fits else Verdict.UNKNOWN)
