"""The life of a message while an engine has it: each verb's contract, and the fence."""

from __future__ import annotations

import pytest

from engine.domain.cost import FREE
from engine.domain.message import Event, Reason, Status
from engine.domain.routing import FBRQ_ID
from engine.ports import Renewal, Return
from engine.store import Store
from engine.store.rows import AttemptOutcome, Counts
from tests.store.world import (
    BY,
    END,
    LEASE,
    NOW,
    START,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    counts,
    mailing,
    messages,
    outcome,
    record,
    release,
)

NOTHING = Renewal(set(), set())


async def test_a_claim_has_what_the_call_needs(store: Store) -> None:
    made = await store.create_client(client(7, time_zone="Asia/Omsk"), by=BY, now_us=NOW)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    assert taken[1:] == (mailing_id, made.row.id, 1, 79160000007, "Asia/Omsk", LEASE, None, FBRQ_ID, FREE)
    assert await claim(store, mailing_id, owner) == []
    assert await counts(store, mailing_id) == Counts(pending=1)


async def test_claims_are_limited_and_oldest_due_first(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    first = await claim(store, mailing_id, owner, 5)
    for taken, due_us in zip(first, (50, 40, 30, 20, NOW + 1), strict=True):
        await release(store, owner, [taken], due_us)
    again = await claim(store, mailing_id, owner, 3)
    assert [taken.message_id for taken in again] == [first[index].message_id for index in (3, 2, 1)]
    assert [taken.message_id for taken in await claim(store, mailing_id, owner)] == [first[0].message_id]


@pytest.mark.parametrize("now_us", [START - 1, END])
async def test_rule_4_nothing_is_claimed_outside_the_window(store: Store, now_us: int) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    assert await claim(store, mailing_id, owner, now_us=now_us) == []
    assert await claim(store, mailing_id, owner, now_us=START) != []


async def test_rule_10_nothing_is_claimed_of_a_paused_cancelled_or_deleted_mailing(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    await store.set_paused(mailing_id, True, by=BY, now_us=NOW)
    assert await claim(store, mailing_id, owner) == []
    await store.set_paused(mailing_id, False, by=BY, now_us=NOW)
    await release(store, owner, await claim(store, mailing_id, owner))
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    assert await claim(store, mailing_id, owner) == []
    other = await add_mailing(store)
    await store.delete_mailing(other, by=BY, now_us=NOW)
    assert await claim(store, other, owner) == []


async def test_nothing_is_claimed_while_the_audience_is_built_again(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    await store.update_mailing(mailing_id, lambda old: mailing(type(old.filter)(("new",))), by=BY, now_us=NOW)
    assert await claim(store, mailing_id, owner) == []
    assert await store.build_audience(mailing_id, 10, NOW, 0)
    assert len(await claim(store, mailing_id, owner)) == 1


async def test_what_is_answered_over_smpp_is_no_call_without_an_answer(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    sent, also_sent, deferred, unanswered = await claim(store, mailing_id, owner)
    records = [
        outcome(sent, Event.ACCEPT, http_status=None)._replace(smpp_status=0),
        outcome(also_sent, Event.ACCEPT, http_status=None)._replace(smpp_status=0),
        outcome(deferred, Event.DEFER, due_us=NOW, http_status=None)._replace(smpp_status=0x58),
        outcome(unanswered, Event.DEFER, due_us=NOW, http_status=None),
    ]
    assert await store.record(records, owner=owner, now_us=NOW) == 4
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.by_http_status, stats.by_smpp_status) == (4, {0: 1}, {0: 2, 0x58: 1})


async def test_outcomes_are_stored_with_counters_history_and_statistics(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    sent, rejected, deferred, late = await claim(store, mailing_id, owner)
    stored = await store.record(
        [
            outcome(sent, Event.ACCEPT),
            outcome(rejected, Event.REJECT, http_status=400),
            outcome(deferred, Event.DEFER, due_us=NOW + 5, http_status=503),
            outcome(late, Event.DEFER, due_us=NOW, http_status=None),
        ],
        owner=owner,
        now_us=NOW,
    )
    assert stored == 4
    assert await counts(store, mailing_id) == Counts(pending=2, sent=1, rejected=1)
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.retried) == (4, 0)
    assert stats.by_http_status == {0: 1, 200: 1, 400: 1, 503: 1}
    assert sum(stats.latency.values()) == 4
    assert [(row.sent, row.not_sent, row.deferred) for row in stats.timeline] == [(1, 1, 2)]
    row, attempts = await store.get_message(deferred.message_id)
    assert (row.status, row.attempts, row.next_attempt_us, row.http_status) == (Status.PENDING, 1, NOW + 5, 503)
    assert [(line.number, line.outcome, line.http_status) for line in attempts] == [(1, AttemptOutcome.DEFERRED, 503)]
    row, attempts = await store.get_message(rejected.message_id)
    assert (row.status, row.reason, row.detail) == (Status.NOT_SENT, Reason.REJECTED, "because")
    assert [line.outcome for line in attempts] == [AttemptOutcome.REJECTED]
    row, attempts = await store.get_message(sent.message_id)
    assert (row.status, row.sent_us, row.detail) == (Status.SENT, NOW + 20, "")
    assert [(line.outcome, line.started_us) for line in attempts] == [(AttemptOutcome.SENT, NOW + 10)]


async def test_a_due_retry_goes_before_all_that_were_never_tried(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    first, second = await claim(store, mailing_id, owner, limit=2)
    await record(store, owner, [first], Event.DEFER, due_us=NOW + 500)
    await record(store, owner, [second], Event.DEFER, due_us=NOW + 900)
    early = await claim(store, mailing_id, owner, limit=1, now_us=NOW + 499)
    assert [each.attempt for each in early] == [1]
    found = await claim(store, mailing_id, owner, limit=2, now_us=NOW + 600)
    assert [(each.message_id == first.message_id, each.attempt) for each in found] == [(True, 2), (False, 1)]
    rest = await claim(store, mailing_id, owner, limit=9, now_us=NOW + 900)
    assert [each.attempt for each in rest] == [2, 1]


async def test_a_retry_keeps_its_id_and_its_history(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    for number in (1, 2):
        (taken,) = await claim(store, mailing_id, owner)
        assert taken.attempt == number
        await record(store, owner, [taken], Event.DEFER, due_us=NOW)
    (taken,) = await claim(store, mailing_id, owner)
    await record(store, owner, [taken], Event.ACCEPT)
    _, attempts = await store.get_message(taken.message_id)
    assert [line.number for line in attempts] == [1, 2, 3]
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.retried) == (3, 2)


async def test_rule_12_a_zombies_outcome_changes_nothing(store: Store) -> None:
    """Its lease ran out, another engine took the message: status, attempt and owner no longer match."""
    mailing_id, zombie = await a_mailing_with(store, 1)
    (old,) = await claim(store, mailing_id, zombie)
    heir = await add_engine(store)
    assert await store.recover(LEASE, 10, expired_only=True) == 1
    assert await record(store, zombie, [old], Event.ACCEPT) == 0
    (new,) = await claim(store, mailing_id, heir)
    assert (new.message_id, new.attempt) == (old.message_id, 2)
    assert await record(store, zombie, [old], Event.REJECT) == 0
    for event in (Event.ACCEPT, Event.REJECT):  # the right attempt, not the owner
        assert await record(store, zombie, [new], event) == 0
    assert await release(store, zombie, [old]) == 0
    assert await store.begin([old], owner=zombie) == set()
    assert await store.renew([old], owner=zombie, lease_until_us=LEASE * 2) == NOTHING
    assert await record(store, heir, [new], Event.ACCEPT) == 1
    assert await record(store, heir, [new], Event.REJECT) == 0
    assert await counts(store, mailing_id) == Counts(sent=1)


@pytest.mark.parametrize("event", [Event.ACCEPT, Event.REJECT, Event.DEFER])
async def test_an_engine_is_fenced_from_its_own_earlier_attempt(store: Store, event: Event) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (late,) = await claim(store, mailing_id, owner)
    await store.recover(LEASE, 10, expired_only=True)
    (current,) = await claim(store, mailing_id, owner)
    assert await record(store, owner, [late], event) == 0
    assert await release(store, owner, [late]) == 0
    assert await store.begin([late], owner=owner) == set()
    assert await store.renew([late], owner=owner, lease_until_us=LEASE * 2) == NOTHING
    assert await record(store, owner, [current], event) == 1


async def test_a_late_outcome_beside_the_right_one_is_ignored(store: Store) -> None:
    """An engine may lose a claim, take the message again, and then have both outcomes in one batch."""
    mailing_id, owner = await a_mailing_with(store, 1)
    (late,) = await claim(store, mailing_id, owner)
    await store.recover(LEASE, 10, expired_only=True)
    (current,) = await claim(store, mailing_id, owner)
    batch = [outcome(late, Event.REJECT), outcome(current, Event.DEFER, due_us=NOW), outcome(late, Event.ACCEPT)]
    assert await store.record(batch, owner=owner, now_us=NOW) == 1
    assert await counts(store, mailing_id) == Counts(pending=1)
    _, attempts = await store.get_message(late.message_id)
    assert [line.outcome for line in attempts] == [AttemptOutcome.LOST, AttemptOutcome.DEFERRED]


async def test_one_outcome_twice_in_a_batch_counts_once(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    assert await record(store, owner, [taken, taken], Event.ACCEPT) == 1
    assert await counts(store, mailing_id) == Counts(sent=1)
    assert (await store.mailing_stats(mailing_id)).attempts == 1


async def test_some_of_a_batch_may_pass_the_fence(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 300)
    claims = await claim(store, mailing_id, owner, 300)
    assert await record(store, owner, claims[::3], Event.REJECT) == 100
    assert await record(store, owner, claims, Event.ACCEPT) == 200
    assert await counts(store, mailing_id) == Counts(sent=200, rejected=100)


async def test_a_release_does_not_use_up_the_attempt(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    assert await release(store, owner, [taken], NOW + 7) == 1
    row, attempts = await store.get_message(taken.message_id)
    assert (row.status, row.attempts, row.next_attempt_us, attempts) == (Status.PENDING, 0, NOW + 7, ())
    assert await store.next_due_us(mailing_id) == NOW + 7
    assert await release(store, owner, [taken]) == 0


async def test_begin_marks_once_and_a_lost_call_is_uncertain(store: Store) -> None:
    await add_clients(store, 2)
    mailing_id = await add_mailing(store, mailing(on_uncertain="not_sent"))
    owner = await add_engine(store)
    calling, waiting = await claim(store, mailing_id, owner)
    assert await store.begin([calling], owner=owner) == {calling.message_id}
    assert await store.begin([calling], owner=owner) == set()
    assert await store.recover(LEASE - 1, 10, expired_only=True) == 0
    assert await store.recover(LEASE, 10, expired_only=True) == 2
    row, attempts = await store.get_message(calling.message_id)
    assert (row.status, row.reason) == (Status.NOT_SENT, Reason.UNCERTAIN)
    assert [line.outcome for line in attempts] == [AttemptOutcome.LOST]
    assert [line.detail for line in attempts] == ["outcome unknown: the engine stopped"]
    # Without its mark it can't have been called: that was no attempt.
    row, attempts = await store.get_message(waiting.message_id)
    assert (row.status, row.attempts, attempts) == (Status.PENDING, 0, ())
    assert await counts(store, mailing_id) == Counts(pending=1, uncertain=1)


async def test_a_marked_call_may_end_in_every_way(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    claims = await claim(store, mailing_id, owner)
    await store.begin(claims, owner=owner)
    for taken, event in zip(claims, (Event.ACCEPT, Event.REJECT, Event.DEFER), strict=False):
        assert await record(store, owner, [taken], event, due_us=NOW) == 1
    assert await release(store, owner, claims[3:]) == 1
    assert await counts(store, mailing_id) == Counts(pending=2, sent=1, rejected=1)


async def test_renewing_holds_a_lease(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    held, other = await claim(store, mailing_id, owner)
    assert await store.renew([held], owner=owner, lease_until_us=LEASE + 50) == Renewal({held.message_id}, set())
    assert await store.recover(LEASE, 10, expired_only=True) == 1
    assert await record(store, owner, [held, other], Event.ACCEPT) == 1


async def test_at_the_start_all_claims_come_back_whatever_their_lease(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    await claim(store, mailing_id, owner)
    assert await store.recover(NOW, 3, expired_only=False) == 3
    assert await store.recover(NOW, 3, expired_only=False) == 2
    assert await store.recover(NOW, 3, expired_only=False) == 0
    assert len(await claim(store, mailing_id, owner)) == 5


async def test_rule_4_what_is_pending_at_the_end_expires_in_chunks(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    (taken,) = await claim(store, mailing_id, owner, 1)
    assert await store.expire(mailing_id, 10, END - 1) == 0
    assert [await store.expire(mailing_id, 3, END) for _ in range(3)] == [3, 1, 0]
    assert await record(store, owner, [taken], Event.ACCEPT) == 1  # a call that began in time counts as it says
    assert await counts(store, mailing_id) == Counts(sent=1, expired=4)
    assert {row.reason for row in await messages(store, mailing_id)} == {None, Reason.EXPIRED}


async def test_rule_10_cancelling_is_final_and_rows_follow_in_chunks(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    (taken,) = await claim(store, mailing_id, owner, 1)
    assert await store.cancel_pending(mailing_id, 10, NOW) == 0
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    assert [await store.cancel_pending(mailing_id, 2, NOW) for _ in range(3)] == [2, 1, 0]
    await release(store, owner, [taken])
    assert await store.cancel_pending(mailing_id, 2, NOW) == 1
    assert await counts(store, mailing_id) == Counts(cancelled=4)
    assert await store.next_due_us(mailing_id) is None


async def test_what_a_provider_says_is_stored_whatever_it_says(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    said = outcome(taken, Event.REJECT)._replace(detail="a\0b\ud800" + "x" * 5_000)
    assert await store.record([said], owner=owner, now_us=NOW) == 1
    row, _ = await store.get_message(taken.message_id)
    assert row.detail.startswith("a\ufffdb?xx")
    assert len(row.detail) == 1_000


async def test_empty_batches_are_nothing(store: Store) -> None:
    assert await store.record([], owner=1, now_us=NOW) == 0
    assert await store.release([], owner=1, now_us=NOW) == 0
    assert await store.begin([], owner=1) == set()
    assert await store.renew([], owner=1, lease_until_us=LEASE) == NOTHING
    assert await store.release([Return(404, 404, 1, 0)], owner=1, now_us=NOW) == 0
    assert await store.claim(404, 10, owner=1, now_us=NOW, lease_until_us=LEASE) == []


async def test_rule_11_what_is_due_later_is_taken_back_once_and_nothing_else(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 7)
    claims = await claim(store, mailing_id, owner)
    dues = [0, NOW - 5, NOW + 100, NOW + 500, NOW + 500, NOW + 500, NOW + 90_000]
    for taken, due_us in zip(claims, dues, strict=True):
        await release(store, owner, [taken], due_us)
    after: tuple[int, int] | None = (NOW, 0)
    steps = 0
    while after is not None:
        after = await store.take_back(mailing_id, 2, after=after, by_us=400)
        steps += 1
    assert steps == 4  # two, two, one, none
    rows = {row.id: row.next_attempt_us for row in await messages(store, mailing_id)}
    expected = [None, NOW - 5, NOW - 300, NOW + 100, NOW + 100, NOW + 100, NOW + 89_600]
    assert [rows[taken.message_id] for taken in claims] == expected
