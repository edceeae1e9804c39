"""engine/report/letter.py: what a report looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

from engine.domain.report import Done, Failure, MailingDay, Report
from engine.domain.window import MailingState
from engine.report.letter import _REASONS, letter
from engine.store.counters import REASONS

MAILING = MailingDay(
    7,
    "Spring <sale> & more",
    MailingState.ACTIVE,
    Done(1200, 13, 5, 9),
    {"rejected": 10, "expired": 3},
    5000,
    3787,
    1200,
)
REPORT = Report(
    date=date(2026, 11, 29),
    zone="Europe/Moscow",
    done=Done(1200, 13, 5, 9),
    reasons={"rejected": 10, "expired": 3},
    failures=(Failure("fbrq", 503, 1400), Failure("beta", None, 2), Failure("beta", 599, 1), Failure("beta", 418, 1)),
    mailings=(MAILING,),
    more=2,
    pending=3787,
)
TEXT = """\
Mailings on Sunday, 29 November 2026

Sent                                                           1,200
Not sent                                                          13
Arrived                                                            9
Waiting now                                                    3,787

Why messages were not sent
Refused by the provider for good                                  10
    rejected
The mailing ended before their turn                                3
    expired

Calls that failed
fbrq                                                           1,400
    HTTP 503, ill, or too busy
beta                                                               2
    no answer
beta                                                               1
    HTTP 599, an error of its own
beta                                                               1
    HTTP 418

Mailings
7. Spring <sale> & more                                   1,200 sent
    active; 13 not sent (10 rejected, 3 expired); 5 calls to be made again; 9 arrived; by now 1,213 of 5,000 are done
And others that did less                                           2

The day went from midnight to midnight by the time of Europe/Moscow.
"""


class Page(HTMLParser):
    """Checks that tags are closed in order, and keeps the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def test_the_text_is_read_without_a_program_for_mail() -> None:
    found = letter(REPORT)
    assert found.text == TEXT
    assert found.subject == "Mailings on Sunday, 29 November 2026: 1,200 sent, 13 not sent"
    assert found.key == "2026-11-29"


def test_the_html_says_the_same_and_asks_nobody() -> None:
    page = Page(letter(REPORT).html)
    assert page.open == []
    words = " ".join(" ".join(page.words).split())
    said = [line.strip() for line in TEXT.splitlines() if line.strip()]
    for part in (part for line in said for part in line.split("  ") if part):
        assert part.strip() in words
    assert not page.attributes & {"src", "href", "onload", "background", "url"}
    assert "url(" not in letter(REPORT).html


def test_a_day_on_which_nothing_was_sent_is_a_report_too() -> None:
    found = letter(replace(REPORT, done=Done(), reasons={}, failures=(), mailings=(), more=0, pending=0))
    assert found.subject.endswith(": nothing was sent")
    assert "Why" not in found.text
    assert "Mailings\n" not in found.text
    only_failures = letter(replace(REPORT, done=Done(deferred=5)))
    assert only_failures.subject.endswith(": 0 sent")


def test_each_reason_has_words() -> None:
    assert set(_REASONS) == set(REASONS)


def test_a_long_title_leaves_room_for_its_number() -> None:
    long = replace(REPORT, mailings=(replace(MAILING, title="x" * 60, reasons={}, done=Done(1)),))
    (line,) = [line for line in letter(long).text.splitlines() if "xxx" in line]
    assert len(line) == 68
    assert line.endswith("…" + "1 sent".rjust(15))
