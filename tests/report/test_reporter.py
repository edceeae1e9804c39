"""engine/report/reporter.py: a report is mailed once a day over all engines, and again until it has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from structlog.testing import capture_logs

from engine.domain.units import in_us
from engine.report.mail import Mailer, NotMailed
from engine.report.reporter import LOOK_SECONDS, Reporter, Schedule
from engine.smtp_url import parse
from engine.store import Store
from engine.store.errors import StoreUnavailable
from tests.api.fakes import START_US, FakeClock
from tests.report.conftest import Mails, Serve

TO = ("anna@example.com", "oleg@example.com")
DAY_SECONDS = 86_400


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = await Store.open("sqlite://:memory:", inline=True)
    yield store
    await store.close()


@pytest.fixture
async def mails(serve: Serve) -> Mails:
    return await serve()


def reporter(store: Store, clock: FakeClock, mails: Mails, recipients: tuple[str, ...] = TO) -> Reporter:
    mailer = Mailer(parse(f"smtp://localhost:{mails.port}"), "mailing@mail.example")
    return Reporter(store, clock, Random(1), Schedule.of("Europe/Moscow"), mailer, recipients)


async def test_one_of_two_engines_mails_each_day_once(store: Store, mails: Mails) -> None:
    clock = FakeClock()
    engines = [reporter(store, clock, mails) for _ in range(2)]
    for _ in range(2):
        for _ in range(3):
            await asyncio.gather(*(each.look() for each in engines))
        clock.pass_seconds(DAY_SECONDS)
    dates = [mail["Subject"].partition(":")[0] for mail in mails.got]
    assert dates == ["Mailings on Thursday, 14 January 2027", "Mailings on Friday, 15 January 2027"]


async def test_the_first_report_of_all_is_of_yesterday_and_a_later_one_is_made_up_for(
    store: Store, mails: Mails
) -> None:
    clock = FakeClock()
    clock.us -= in_us(4 * 3600)  # 07:00 in Moscow: what is due is of the day before yesterday
    engine = reporter(store, clock, mails)
    await engine.look()
    assert mails.got == []
    clock.pass_seconds(3600)
    await engine.look()
    clock.pass_seconds(2 * DAY_SECONDS - 1)  # at 07:59 two days later: all engines were away meanwhile
    await engine.look()
    dates = [mail["Subject"].partition(":")[0] for mail in mails.got]
    assert dates == ["Mailings on Thursday, 14 January 2027", "Mailings on Friday, 15 January 2027"]


async def test_a_failed_mail_is_tried_again_with_growing_pauses_and_told(store: Store, mails: Mails) -> None:
    clock, mails.answer = FakeClock(), "451 come back later"
    engine = reporter(store, clock, mails)
    pauses = []
    with capture_logs() as lines:
        for _ in range(9):
            await engine.look()
            began_us = clock.us
            while not await store.is_report_due(engine.latest_due(), clock.us):
                clock.pass_seconds(LOOK_SECONDS)
            pauses.append((clock.us - began_us) / 1e6)
        mails.answer = "250 OK"
        await engine.look()
    assert all(30 <= pause <= 3600 + LOOK_SECONDS for pause in pauses)
    assert pauses[-1] > 1800 > 120 > pauses[0]
    assert [line["event"] for line in lines] == ["report.not_mailed"] * 9 + ["report.mailed"]
    assert "451 come back later" in lines[0]["reason"]
    assert lines[0]["again_seconds"] <= pauses[0] <= lines[0]["again_seconds"] + LOOK_SECONDS
    assert len(mails.got) == 1


async def test_only_those_who_were_refused_get_it_again(store: Store, mails: Mails) -> None:
    clock, mails.refused = FakeClock(), {TO[0]: "451 greylisted"}
    with capture_logs() as lines:
        await reporter(store, clock, mails).look()
    assert lines[-1]["reason"] == f"{TO[0]}: 451 greylisted"
    clock.pass_seconds(120)
    mails.refused.clear()
    await reporter(store, clock, mails).look()
    assert mails.recipients == [[TO[1]], [TO[0]]]


async def test_who_is_taken_off_the_list_is_not_waited_for(store: Store, mails: Mails) -> None:
    clock, mails.refused = FakeClock(), {TO[0]: "550 no such mailbox"}
    await reporter(store, clock, mails).look()
    clock.pass_seconds(120)
    engine = reporter(store, clock, mails, TO[1:])
    await engine.look()
    assert not await store.is_report_due(engine.latest_due(), clock.us + in_us(DAY_SECONDS))
    assert mails.recipients == [[TO[1]]]


async def test_it_is_due_at_its_time_by_the_clock_of_its_zone(store: Store, mails: Mails) -> None:
    clock = FakeClock()
    assert clock.us == START_US  # 08:00 UTC, 11:00 in Moscow
    engine = reporter(store, clock, mails)
    assert engine.latest_due().isoformat() == "2027-01-14"
    clock.us -= in_us(3 * 3600)
    assert engine.latest_due().isoformat() == "2027-01-14"
    clock.us -= 1
    assert engine.latest_due().isoformat() == "2027-01-13"


async def test_one_that_is_asked_for_is_mailed_at_once_and_counts_for_nothing(store: Store, mails: Mails) -> None:
    clock = FakeClock()
    engine = reporter(store, clock, mails)
    assert await engine.mail(engine.latest_due()) == {}
    assert mails.got[0]["Message-ID"] == f"<report-2027-01-14-{START_US}@mail.example>"
    assert await store.is_report_due(engine.latest_due(), clock.us)
    with pytest.raises(NotMailed, match="MAILING_REPORT_TO"):
        await Reporter(store, clock, Random(1), Schedule.of("UTC")).mail(engine.latest_due())


async def test_the_actor_outlives_a_store_that_is_away_and_a_bug(
    store: Store, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Exception] = [StoreUnavailable("away"), ValueError("a bug")]
    is_due = store.is_report_due

    async def failing(*arguments: object) -> bool:
        if failures:
            raise failures.pop(0)
        return await is_due(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "is_report_due", failing)
    engine = reporter(store, FakeClock(), mails)
    with capture_logs() as lines:
        engine.start()
        while not mails.got:
            await asyncio.sleep(0.001)
        await engine.stop()
    assert failures == []
    # Whether a line of the level "debug" is captured depends on what configured logs before.
    assert next(line["event"] for line in lines if line["log_level"] != "debug") == "report.failed"


async def test_without_a_mail_server_nothing_runs(store: Store) -> None:
    engine = Reporter(store, FakeClock(), Random(1), Schedule.of("UTC"))
    engine.start()
    await engine.stop()
    assert (await engine.letter(engine.latest_due())).subject.endswith("nothing was sent")
