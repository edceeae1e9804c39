from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.message import Event
from engine.domain.outcome import Answer, Outcome, Verdict, classify

NOW_US = 1_000_000_000_000_000


@pytest.mark.parametrize(
    ("status", "valid", "verdict"),
    [
        (200, True, Verdict.SENT),
        (202, True, Verdict.SENT),
        (299, True, Verdict.SENT),
        (200, False, Verdict.RETRY),
        (400, True, Verdict.REJECTED),
        (400, False, Verdict.REJECTED),
        (401, True, Verdict.BLOCKED),
        (403, False, Verdict.BLOCKED),
        (None, False, Verdict.RETRY),
        (None, True, Verdict.RETRY),
        (100, True, Verdict.RETRY),
        (199, True, Verdict.RETRY),
        (301, True, Verdict.RETRY),
        (307, True, Verdict.RETRY),
        (402, True, Verdict.RETRY),
        (404, True, Verdict.RETRY),
        (429, True, Verdict.RETRY),
        (500, False, Verdict.RETRY),
        (503, True, Verdict.RETRY),
        (599, True, Verdict.RETRY),
        (999, True, Verdict.RETRY),
    ],
)
def test_verdict(status: int | None, valid: bool, verdict: Verdict) -> None:
    assert classify(Answer(status, valid, ""), NOW_US).verdict is verdict


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer(200, True, "anything"), ""),
        (Answer(400, True, "no such phone"), "no such phone"),
        (Answer(500, True, ""), "HTTP 500"),
        (Answer(200, False, ""), "HTTP 200 with an unreadable body"),
        (Answer(None, False, ""), "no answer"),
        (Answer(None, False, "timed out after 10 s"), "timed out after 10 s"),
    ],
)
def test_the_detail_is_empty_on_success_only(answer: Answer, detail: str) -> None:
    outcome = classify(answer, NOW_US)
    assert outcome.detail == detail
    assert outcome.http_status == answer.http_status


@pytest.mark.parametrize(
    ("status", "seconds"), [(200, None), (400, None), (401, 7.0), (403, 7.0), (429, 7.0), (503, 7.0)]
)
def test_retry_after_counts_where_there_will_be_a_next_time(status: int, seconds: float | None) -> None:
    assert classify(Answer(status, True, "", retry_after="7"), NOW_US).retry_after_seconds == seconds


def test_an_http_date_counts_from_now() -> None:
    answer = Answer(429, True, "", retry_after="Sun, 09 Sep 2001 01:46:50 GMT")
    assert classify(answer, NOW_US).retry_after_seconds == 10


@pytest.mark.parametrize(
    ("verdict", "event"),
    [
        (Verdict.SENT, Event.ACCEPT),
        (Verdict.REJECTED, Event.REJECT),
        (Verdict.RETRY, Event.DEFER),
        (Verdict.BLOCKED, Event.DEFER),
    ],
)
def test_event(verdict: Verdict, event: Event) -> None:
    assert Outcome(verdict, 200, "", None).event is event


answers = st.builds(Answer, st.none() | st.integers(0, 1000), st.booleans(), st.text(max_size=5), st.none() | st.text())


@given(answers)
def test_a_final_verdict_takes_a_status_and_whatever_is_not_final_is_deferred(answer: Answer) -> None:
    outcome = classify(answer, NOW_US)
    final = outcome.event is not Event.DEFER
    assert final == (answer.http_status == 400 or (answer.http_status in range(200, 300) and answer.valid))
    assert (outcome.detail == "") == (outcome.verdict is Verdict.SENT)
