from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.message import Event
from engine.domain.outcome import Answer, Outcome, Verdict, classify

NOW_US = 1_000_000_000_000_000


KNOWN_AND_UNKNOWN = [
    (Answer(200, True, ""), Verdict.SENT, True),
    (Answer(202, True, ""), Verdict.SENT, True),
    (Answer(299, True, ""), Verdict.SENT, True),
    (Answer(200, True, "", code=7), Verdict.RETRY, True),
    (Answer(201, True, "", code=-0.5), Verdict.RETRY, True),
    (Answer(200, False, ""), Verdict.UNKNOWN, False),
    (Answer(204, False, ""), Verdict.UNKNOWN, False),
    (Answer(400, True, ""), Verdict.REJECTED, True),
    (Answer(400, False, ""), Verdict.REJECTED, True),
    (Answer(401, True, ""), Verdict.BLOCKED, True),
    (Answer(403, False, ""), Verdict.FORBIDDEN, True),
    (Answer(None, False, ""), Verdict.UNKNOWN, False),
    (Answer(None, False, "", arrived=False), Verdict.RETRY, False),
    (Answer(100, True, ""), Verdict.RETRY, True),
    (Answer(199, True, ""), Verdict.RETRY, True),
    (Answer(301, True, ""), Verdict.RETRY, True),
    (Answer(307, True, ""), Verdict.RETRY, True),
    (Answer(402, True, ""), Verdict.RETRY, True),
    (Answer(404, True, ""), Verdict.RETRY, True),
    (Answer(408, True, ""), Verdict.UNKNOWN, False),
    (Answer(429, True, ""), Verdict.RETRY, False),
    (Answer(500, False, ""), Verdict.RETRY, False),
    (Answer(501, True, ""), Verdict.RETRY, False),
    (Answer(502, True, ""), Verdict.UNKNOWN, False),
    (Answer(503, True, ""), Verdict.RETRY, False),
    (Answer(504, True, ""), Verdict.UNKNOWN, False),
    (Answer(599, True, ""), Verdict.RETRY, False),
    # Those of a provider that is described: its description has judged, whatever the status says.
    (Answer(200, True, "", verdict=Verdict.SENT), Verdict.SENT, True),
    (Answer(200, True, "", verdict=Verdict.REJECTED), Verdict.REJECTED, True),
    (Answer(200, True, "", verdict=Verdict.RETRY), Verdict.RETRY, True),
    (Answer(200, True, "", verdict=Verdict.BUSY), Verdict.BUSY, False),
    (Answer(400, True, "", verdict=Verdict.BUSY), Verdict.BUSY, False),
    (Answer(400, True, "", verdict=Verdict.SENT), Verdict.SENT, True),
    (Answer(500, True, "", verdict=Verdict.UNKNOWN), Verdict.UNKNOWN, False),
    (Answer(999, True, ""), Verdict.RETRY, False),
    # Those of a protocol that has no such statuses.
    (Answer(None, True, "", verdict=Verdict.SENT), Verdict.SENT, True),
    (Answer(None, True, "", verdict=Verdict.REJECTED), Verdict.REJECTED, True),
    (Answer(None, True, "", verdict=Verdict.FORBIDDEN), Verdict.FORBIDDEN, True),
    (Answer(None, True, "", verdict=Verdict.RETRY), Verdict.RETRY, False),
    (Answer(None, True, "", verdict=Verdict.BUSY), Verdict.BUSY, False),
    (Answer(None, True, "", verdict=Verdict.UNKNOWN), Verdict.UNKNOWN, False),
]
"""What an answer means, and whether it shows a provider that works."""


@pytest.mark.parametrize(("answer", "verdict", "shows_life"), KNOWN_AND_UNKNOWN)
def test_verdict(answer: Answer, verdict: Verdict, shows_life: bool) -> None:
    outcome = classify(answer, NOW_US)
    assert outcome.verdict is verdict
    assert outcome.shows_life == shows_life


@pytest.mark.parametrize(("status", "wrong"), [(200, True), (299, True), (408, False), (504, False), (None, False)])
def test_a_success_that_is_no_providers_tells_that_the_address_is_wrong(status: int | None, wrong: bool) -> None:
    assert classify(Answer(status, False, ""), NOW_US).is_misaddressed == wrong


@pytest.mark.parametrize(("status", "seconds"), [(429, 7.0), (503, 7.0), (500, 0.0), (404, 0.0), (401, 0.0)])
def test_only_a_busy_provider_is_left_alone_altogether(status: int, seconds: float) -> None:
    assert classify(Answer(status, True, "", retry_after="7"), NOW_US).hold_seconds == seconds
    assert classify(Answer(status, True, ""), NOW_US).hold_seconds == 0


def test_one_that_says_in_its_own_words_that_it_is_busy_is_left_alone_too() -> None:
    assert classify(Answer(200, True, "", "7", verdict=Verdict.BUSY), NOW_US).hold_seconds == 7
    assert classify(Answer(200, True, "", "7", verdict=Verdict.RETRY), NOW_US).hold_seconds == 0


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer(200, True, "anything"), ""),
        (Answer(400, True, "no such phone"), "no such phone"),
        (Answer(500, True, ""), "HTTP 500"),
        (Answer(200, False, ""), "HTTP 200 with an unreadable body"),
        (Answer(200, True, "", code=5), "HTTP 200 with code 5"),
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
        (Verdict.BUSY, Event.DEFER),
        (Verdict.UNKNOWN, Event.MISS),
        (Verdict.FORBIDDEN, Event.DEFER),
        (Verdict.BLOCKED, Event.DEFER),
    ],
)
def test_event(verdict: Verdict, event: Event) -> None:
    assert Outcome(verdict, 200, "", None).event is event


answers = st.builds(
    Answer,
    st.none() | st.integers(0, 1000),
    st.booleans(),
    st.text(max_size=5),
    st.none() | st.text(),
    arrived=st.booleans(),
    code=st.sampled_from((0.0, 1.0)),
    verdict=st.none(),
)


@given(answers)
def test_a_final_verdict_takes_a_status_and_nobody_guesses(answer: Answer) -> None:
    outcome = classify(answer, NOW_US)
    success = answer.http_status in range(200, 300)
    accepted = success and answer.valid and not answer.code
    final = outcome.event in (Event.ACCEPT, Event.REJECT)
    assert final == (answer.http_status == 400 or accepted)
    assert (outcome.detail == "") == (outcome.verdict is Verdict.SENT)
    # What the request may have done is known only if it never left, or a complete answer says so.
    in_the_providers_place = answer.http_status in (408, 502, 504)
    unreadable = (success and not answer.valid) or (answer.http_status is None and answer.arrived)
    assert (outcome.event is Event.MISS) == (in_the_providers_place or unreadable)


@given(answers, st.sampled_from(Verdict))
def test_whoever_has_judged_by_a_description_is_believed(answer: Answer, verdict: Verdict) -> None:
    outcome = classify(answer._replace(verdict=verdict), NOW_US)
    assert outcome.verdict is verdict
    assert outcome.http_status == answer.http_status
    assert (outcome.detail == "") == (verdict is Verdict.SENT)
