"""Rule 12: what follows an unknown outcome, a crash's or a time-out's, is the policy's; and nothing else is ever called
uncertain, nor is a text that may have gone out ever called anything else."""

from __future__ import annotations

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Reason, Status
from engine.ports import Claim
from engine.store import Store
from engine.store.rows import AttemptOutcome, Counts
from tests.store.world import (
    BY,
    END,
    LEASE,
    NOW,
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


async def one_unsure(store: Store, *, others: int = 0, crash: bool = False) -> tuple[int, int, Claim]:
    """(mailing, engine, message): the message may have reached the provider, and waits to be sent again."""
    mailing_id, owner = await a_mailing_with(store, 1 + others)
    taken, *rest = await claim(store, mailing_id, owner)
    await release(store, owner, rest)
    if crash:
        assert await store.recover(LEASE, 10, expired_only=True) == 1
    else:
        assert await record(store, owner, [taken], Event.MISS, due_us=NOW) == 1
    return mailing_id, owner, taken


async def reason_of(store: Store, message_id: int) -> Reason | None:
    row, _ = await store.get_message(message_id)
    assert row.status is Status.NOT_SENT
    return row.reason


@pytest.mark.parametrize("crash", [False, True])
async def test_resend_tries_again_with_the_same_id_and_remembers(store: Store, crash: bool) -> None:
    mailing_id, owner, taken = await one_unsure(store, crash=crash)
    row, attempts = await store.get_message(taken.message_id)
    assert (row.status, row.reason, [one.outcome for one in attempts]) == (Status.PENDING, None, [AttemptOutcome.LOST])
    (again,) = await claim(store, mailing_id, owner)
    assert (again.message_id, again.attempt) == (taken.message_id, 2)
    assert await record(store, owner, [again], Event.ACCEPT) == 1
    assert await counts(store, mailing_id) == Counts(sent=1)


async def test_what_a_crash_cut_short_counts_as_an_attempt(store: Store) -> None:
    mailing_id, owner, _ = await one_unsure(store, crash=True)
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.retried) == (1, 0)
    await claim(store, mailing_id, owner)
    assert await store.recover(LEASE, 10, expired_only=True) == 1
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.retried) == (2, 1)


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("end", ["expired", "cancelled", "rejected", "deleted", "edited"])
async def test_resend_that_ends_unaccepted_is_uncertain_whatever_ended_it(store: Store, end: str, crash: bool) -> None:
    mailing_id, owner, taken = await one_unsure(store, crash=crash)
    if end == "expired":
        assert await store.expire(mailing_id, 10, END) == 1
    elif end == "cancelled":
        await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
        assert await store.cancel_pending(mailing_id, 10, NOW) == 1
    elif end == "rejected":
        again = outcome((await claim(store, mailing_id, owner))[0], Event.REJECT, http_status=400)
        assert await store.record([again], owner=owner, now_us=NOW) == 1
    elif end == "deleted":
        await store.delete_client(taken.client_id, by=BY, now_us=NOW)
    else:
        nobody = mailing(AudienceFilter(("no such tag",)))
        await store.update_mailing(mailing_id, lambda _: nobody, by=BY, now_us=NOW)
        assert await store.build_audience(mailing_id, 10, NOW, NOW)
    assert await reason_of(store, taken.message_id) is Reason.UNCERTAIN
    assert await counts(store, mailing_id) == Counts(uncertain=1)
    _, attempts = await store.get_message(taken.message_id)
    refused = [AttemptOutcome.REJECTED] if end == "rejected" else []
    assert [one.outcome for one in attempts] == [AttemptOutcome.LOST, *refused]


async def test_who_is_sure_keeps_the_plain_reason_beside_the_unsure(store: Store) -> None:
    mailing_id, owner, taken = await one_unsure(store, others=4)
    deferred, *_ = [one for one in await claim(store, mailing_id, owner) if one.message_id != taken.message_id]
    assert await record(store, owner, [deferred], Event.DEFER, due_us=NOW) == 1
    await store.recover(LEASE, 10, expired_only=False)
    assert [await store.expire(mailing_id, 2, END) for _ in range(4)] == [2, 2, 1, 0]
    row, attempts = await store.get_message(deferred.message_id)
    assert (row.reason, [one.outcome for one in attempts]) == (Reason.EXPIRED, [AttemptOutcome.DEFERRED])
    assert (await counts(store, mailing_id)).uncertain == 4  # the others were claimed when the engine died
    assert await reason_of(store, taken.message_id) is Reason.UNCERTAIN


async def test_not_sent_ends_at_once_and_is_not_called_again(store: Store) -> None:
    await add_clients(store, 2)
    mailing_id, owner = await add_mailing(store, mailing(on_uncertain="not_sent")), await add_engine(store)
    missed, known = await claim(store, mailing_id, owner)
    await store.begin([missed, known], owner=owner)
    batch = [outcome(missed, Event.MISS, due_us=NOW), outcome(known, Event.DEFER, due_us=NOW, http_status=503)]
    assert await store.record(batch, owner=owner, now_us=NOW) == 2
    assert await reason_of(store, missed.message_id) is Reason.UNCERTAIN
    assert await counts(store, mailing_id) == Counts(pending=1, uncertain=1)
    assert [one.message_id for one in await claim(store, mailing_id, owner)] == [known.message_id]
    _, attempts = await store.get_message(missed.message_id)
    assert [(one.number, one.outcome) for one in attempts] == [(1, AttemptOutcome.LOST)]


async def test_an_unsure_one_that_is_given_back_uncalled_stays_unsure_and_keeps_its_attempts(store: Store) -> None:
    mailing_id, owner, taken = await one_unsure(store)
    (again,) = await claim(store, mailing_id, owner)
    await store.delete_client(taken.client_id, by=BY, now_us=NOW)  # while it is in the queue
    assert await release(store, owner, [again]) == 1
    row, attempts = await store.get_message(taken.message_id)
    assert (row.reason, row.attempts, row.client_id) == (Reason.UNCERTAIN, 1, None)
    assert [one.outcome for one in attempts] == [AttemptOutcome.LOST]
    assert await counts(store, mailing_id) == Counts(uncertain=1)


async def test_the_metrics_hear_of_every_one_that_ends_uncertain(store: Store) -> None:
    heard: list[tuple[Reason | None, int]] = []
    mailing_id, _owner, _taken = await one_unsure(store, others=1)
    store.on_step = lambda step, number: heard.append((step.reason, number)) if number else None
    await store.expire(mailing_id, 10, END)
    assert heard == [(Reason.UNCERTAIN, 1), (Reason.EXPIRED, 1)]
    assert len(await messages(store, mailing_id)) == 2


@pytest.mark.parametrize("on_uncertain", ["resend", "not_sent"])
@pytest.mark.parametrize("how", ["filter", "client", "deleted"])
@pytest.mark.parametrize("crash", [False, True])
async def test_a_call_without_an_answer_leaves_its_row_though_its_client_stopped_matching_meanwhile(
    store: Store, on_uncertain: str, how: str, crash: bool
) -> None:
    await add_clients(store, 1)
    mailing_id = await add_mailing(store, mailing(AudienceFilter(("new",)), on_uncertain=on_uncertain))
    owner = await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await store.begin([taken], owner=owner)
    if how == "filter":
        nobody = mailing(AudienceFilter(("no such tag",)), on_uncertain=on_uncertain)
        await store.update_mailing(mailing_id, lambda _: nobody, by=BY, now_us=NOW)
        assert await store.build_audience(mailing_id, 10, NOW, NOW)
    elif how == "client":
        await store.update_client(taken.client_id, lambda _: client(0, "elsewhere"), by=BY, now_us=NOW)
    else:
        await store.delete_client(taken.client_id, by=BY, now_us=NOW)
    if crash:
        assert await store.recover(LEASE, 10, expired_only=True) == 1
    else:
        assert await record(store, owner, [taken], Event.MISS, due_us=NOW) == 1
    assert await reason_of(store, taken.message_id) is Reason.UNCERTAIN
    assert await counts(store, mailing_id) == Counts(uncertain=1)
    _, attempts = await store.get_message(taken.message_id)
    assert [one.outcome for one in attempts] == [AttemptOutcome.LOST]
