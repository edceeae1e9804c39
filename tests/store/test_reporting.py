"""engine/store/reporting.py: what the report of a day counts, and that one engine mails it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Final

from engine.domain.daily import Day
from engine.domain.message import Event, Reason
from engine.domain.report import Done, Failure
from engine.domain.window import MailingState
from engine.store import Store, reporting
from engine.store.day_stats import FAILED, QUARTER_US, WIDTHS, ended_key, failed_key, failed_of
from engine.store.reporting import Claimed
from tests.store.world import BY, END, NOW, add_clients, add_engine, add_mailing, claim, mailing, outcome, suppress

DAY: Final = Day(date(1970, 1, 1), 0, 86_400_000_000)
NEXT_DAY: Final = Day(date(1970, 1, 2), DAY.end_us, 2 * DAY.end_us)
NOTHING: Final = Done()


async def test_a_day_is_counted_by_mailing_by_reason_and_by_answer(store: Store) -> None:
    await add_clients(store, 8)
    first, second = await add_mailing(store, mailing(text="one  line\nand more " * 9)), await add_mailing(store)
    idle = await add_mailing(store, mailing(start_us=END - 1))
    owner = await add_engine(store)
    taken = await claim(store, first, owner, 5)
    events = [Event.ACCEPT, Event.ACCEPT, Event.REJECT, Event.DEFER, Event.DEFER]
    statuses = [200, 200, 400, 503, None]
    ended = [outcome(t, e, http_status=s, due_us=END) for t, e, s in zip(taken, events, statuses, strict=True)]
    assert await store.record(ended, owner=owner, now_us=NOW) == 5
    await suppress(store, 7)
    await store.expire(second, 100, END)
    told = await store.report(DAY, "UTC", END)
    assert (told.date, told.zone, told.more) == (DAY.date, "UTC", 0)
    assert told.done == Done(sent=2, not_sent=11, deferred=2)
    assert told.reasons == {"expired": 7, "suppressed": 3, "rejected": 1}
    assert Counter(told.failures) == Counter(Failure("fbrq", status, 1) for status in (400, 503, None))
    assert {each.id: each.done for each in told.mailings}.keys() == {first, second, idle}
    (one,) = [each for each in told.mailings if each.id == first]
    assert one.title == "one line and more one line and more one line and more one line…"[:59] + "…"
    assert (one.done, one.state, one.total, one.sent) == (Done(2, 2, 2, 0), MailingState.ENDED, 8, 2)
    assert one.reasons == {"rejected": 1, "suppressed": 1}
    assert told.pending == (await store.get_mailing(first)).counts.pending + 7
    empty = await store.report(NEXT_DAY, "UTC", END)
    assert (empty.done, empty.reasons, empty.failures, empty.mailings) == (NOTHING, {}, (), ())


async def test_reasons_add_up_to_what_was_not_sent(store: Store) -> None:
    await add_clients(store, 6)
    mailing_id, owner = await add_mailing(store, mailing(on_uncertain="not_sent")), await add_engine(store)
    taken = await claim(store, mailing_id, owner, 2)
    await store.record([outcome(each, Event.MISS) for each in taken], owner=owner, now_us=NOW)
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    await store.cancel_pending(mailing_id, 100, NOW)
    told = await store.report(DAY, "UTC", NOW)
    counts = (await store.get_mailing(mailing_id)).counts
    assert told.reasons == {name: number for name, number in counts.by_reason().items() if number}
    assert told.done.not_sent == counts.not_sent == 6


async def test_deleted_mailings_count_in_the_sum_and_the_longest_list_is_cut(store: Store) -> None:
    await add_clients(store, 2)
    kept, gone = await add_mailing(store), await add_mailing(store)
    owner = await add_engine(store)
    for each in (kept, gone):
        await store.record([outcome(t, Event.ACCEPT) for t in await claim(store, each, owner)], owner=owner, now_us=NOW)
    await store.delete_mailing(gone, by=BY, now_us=NOW)
    for _ in range(2):
        told = await store.report(DAY, "UTC", NOW)
        assert (told.done.sent, [each.id for each in told.mailings], told.more) == (4, [kept], 0)
        assert await store.purge(gone, 100)
    maximum = reporting.MAILINGS_MAX
    for _ in range(maximum + 2):
        await store.expire(await add_mailing(store, mailing(end_us=NOW)), 100, NOW)
    told = await store.report(DAY, "UTC", NOW)
    assert (len(told.mailings), told.more) == (maximum, 3)


def test_keys_say_when_and_what() -> None:
    for quarter in (0, 2_000_000):
        for at_us in (quarter * QUARTER_US, (quarter + 1) * QUARTER_US - 1):
            assert [divmod(ended_key(at_us, each), 64) for each in Reason] == [(quarter, each) for each in Reason]
            for provider_id, status in ((1, 200), (32_767, None), (7, 999), (7, 5_000)):
                found, rest = divmod(failed_key(at_us, provider_id, status), WIDTHS[FAILED])
                assert (found, failed_of(rest)) == (quarter, (provider_id, min(status or 0, 1023)))


async def test_one_engine_mails_a_report_once(store: Store) -> None:
    day = DAY.date
    assert await store.is_report_due(day, NOW)
    assert await store.claim_report(day, NOW, NOW + 10) == Claimed(1, None)
    assert not await store.is_report_due(day, NOW + 9)
    assert await store.claim_report(day, NOW + 9, NOW + 20) is None  # another engine
    assert await store.claim_report(day, NOW + 10, NOW + 20) == Claimed(2, None)  # the first has died with it
    await store.report_mailed(day, 1, NOW)  # it has not, but its time is over
    assert await store.claim_report(day, NOW + 20, NOW + 30) == Claimed(3, None)
    await store.put_off_report(day, 3, NOW + 50, ["a@example.com"])
    assert await store.claim_report(day, NOW + 49, NOW + 60) is None
    assert await store.claim_report(day, NOW + 50, NOW + 60) == Claimed(4, ("a@example.com",))
    await store.report_mailed(day, 4, NOW + 55)
    assert not await store.is_report_due(day, NOW + 100)
    assert await store.claim_report(day, NOW + 100, NOW + 200) is None
    assert await store.claim_report(NEXT_DAY.date, NOW + 100, NOW + 200) == Claimed(1, None)
    assert await store.forget_reports(NEXT_DAY.date) == 1
    assert not await store.is_report_due(NEXT_DAY.date, NOW + 100)
