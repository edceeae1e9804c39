"""MailingService over a real server and a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc import StatusCode

from engine.ports import Return
from mailing.v1.mailing_pb2 import (
    AUDIENCE_MODE_FIXED,
    AUDIENCE_MODE_LIVE,
    AUDIENCE_STATE_BUILDING,
    AUDIENCE_STATE_READY,
    MAILING_STATE_ACTIVE,
    MAILING_STATE_CANCELLED,
    MAILING_STATE_ENDED,
    MAILING_STATE_PAUSED,
    MAILING_STATE_SCHEDULED,
    ON_UNCERTAIN_NOT_SENT,
    ON_UNCERTAIN_RESEND,
    AudienceFilter,
    LocalHours,
    Mailing,
    MessageCondition,
)
from mailing.v1.mailing_service_pb2 import (
    TEXT_ENCODING_UCS2,
    ArchiveMailingRequest,
    CancelMailingRequest,
    CreateMailingRequest,
    DeleteMailingRequest,
    GetMailingRequest,
    GetMailingStatsRequest,
    ListMailingsRequest,
    PauseMailingRequest,
    PreviewMailingRequest,
    ResumeMailingRequest,
    UnarchiveMailingRequest,
    UpdateMailingRequest,
    WatchMailingRequest,
)
from mailing.v1.message_pb2 import (
    MESSAGE_STATUS_NOT_SENT,
    MESSAGE_STATUS_PENDING,
    NOT_SENT_REASON_CANCELLED,
    NOT_SENT_REASON_EXPIRED,
)
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US, START_US


def at(us: int) -> Timestamp:
    time = Timestamp()
    time.FromMicroseconds(us)
    return time


def hours(begin: str, end: str) -> LocalHours:
    return LocalHours(**{"from": begin, "to": end})


def a_bad_mailing(**fields: Any) -> Mailing:
    return Mailing(
        filter=AudienceFilter(tags=["ok", "t" * 65], phone_codes=["x"]),
        start_time=at(2_000_000_000_000_000),
        end_time=at(1_000_000_000_000_000),
        local_hours=hours("9", "24:00"),
        rate_limit=-1,
        **fields,
    )


BAD_FIELDS = {
    *("text", "filter.tags[1]", "filter.phone_codes[0]", "end_time"),
    *("local_hours.from", "local_hours.to", "rate_limit"),
}


async def test_a_mailing_is_registered_and_read(api: Api) -> None:
    await api.add_clients(3)
    wanted = api.a_mailing(
        filter=AudienceFilter(tags=["a"]), local_hours=hours("21:00", "09:00"), rate_limit=2.5,
        on_uncertain=ON_UNCERTAIN_NOT_SENT,
    )  # fmt: skip
    made = await api.mailings.CreateMailing(CreateMailingRequest(mailing=wanted))
    for name in ("text", "filter", "start_time", "end_time", "local_hours", "rate_limit", "on_uncertain"):
        assert getattr(made, name) == getattr(wanted, name)
    assert (made.state, made.audience_state, made.segments) == (MAILING_STATE_ACTIVE, AUDIENCE_STATE_BUILDING, 1)
    assert made.create_time.ToMicroseconds() == api.clock.us
    assert api.control.refreshed == [made.id]
    await api.build(made.id)
    read = await api.mailings.GetMailing(GetMailingRequest(mailing_id=made.id))
    assert read.audience_state == AUDIENCE_STATE_READY
    counts = read.message_counts
    assert (counts.pending, counts.sent, counts.not_sent, counts.total) == (2, 0, 0, 2)


async def test_what_is_left_out_gets_its_default(api: Api) -> None:
    made = await api.add_mailing()
    assert made.on_uncertain == ON_UNCERTAIN_RESEND
    assert not made.HasField("local_hours")
    assert not made.HasField("rate_limit")
    assert made.filter == AudienceFilter()


async def test_every_bad_field_of_a_mailing_is_named(api: Api) -> None:
    refused = await refusal(
        api.mailings.CreateMailing(CreateMailingRequest(mailing=a_bad_mailing(on_uncertain=9), request_id="\n"))
    )
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.bad == BAD_FIELDS | {"on_uncertain", "request_id"}


async def test_an_empty_mailing_lacks_its_required_fields(api: Api) -> None:
    refused = await refusal(api.mailings.CreateMailing(CreateMailingRequest()))
    assert refused.bad == {"text", "start_time", "end_time"}


@pytest.mark.parametrize("seconds", [-(2**63), 2**62, 253_402_300_800])
async def test_times_out_of_range_are_refused(api: Api, seconds: int) -> None:
    mailing = api.a_mailing()
    mailing.end_time.seconds = seconds
    refused = await refusal(api.mailings.CreateMailing(CreateMailingRequest(mailing=mailing)))
    assert refused.bad == {"end_time"}


async def test_a_thousand_bad_entries_still_make_a_readable_answer(api: Api) -> None:
    mailing = api.a_mailing(filter=AudienceFilter(tags=["т" * 100] * 1000))
    refused = await refusal(api.mailings.CreateMailing(CreateMailingRequest(mailing=mailing)))
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert "filter.tags[10]" in refused.fields
    assert "more fields are bad" in list(refused.fields.values())[-1]


async def test_a_repeated_request_id_gets_the_first_answer(api: Api) -> None:
    request = CreateMailingRequest(mailing=api.a_mailing(), request_id="once")
    first = await api.mailings.CreateMailing(request)
    assert await api.mailings.CreateMailing(request) == first
    assert api.control.refreshed == [first.id]
    assert (await api.mailings.ListMailings(ListMailingsRequest())).total_size == 1
    request.mailing.text = "other"
    refused = await refusal(api.mailings.CreateMailing(request))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"request_id"})


async def test_a_repeated_request_id_gets_the_first_answer_although_it_would_be_refused_now(api: Api) -> None:
    request = CreateMailingRequest(mailing=api.a_mailing(), request_id="once")
    first = await api.mailings.CreateMailing(request)
    api.clock.pass_seconds(2 * 3600)
    assert await api.mailings.CreateMailing(request) == first
    assert api.control.refreshed == [first.id]
    assert (await refusal(api.mailings.CreateMailing(CreateMailingRequest(mailing=request.mailing)))).bad == {
        "end_time"
    }
    request.mailing.text = "other"
    assert (await refusal(api.mailings.CreateMailing(request))).reason == "REQUEST_ID_REUSED"
    request.request_id = "twice"
    assert (await refusal(api.mailings.CreateMailing(request))).bad == {"end_time"}


async def test_mailings_that_are_not_there(api: Api) -> None:
    for call in (
        api.mailings.GetMailing(GetMailingRequest(mailing_id=99)),
        api.mailings.UpdateMailing(UpdateMailingRequest(mailing=Mailing(id=99, text="x"))),
        api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=99)),
        api.mailings.PauseMailing(PauseMailingRequest(mailing_id=99)),
        api.mailings.ResumeMailing(ResumeMailingRequest(mailing_id=99)),
        api.mailings.CancelMailing(CancelMailingRequest(mailing_id=99)),
        api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=99)),
        api.mailings.WatchMailing(WatchMailingRequest(mailing_id=99)).read(),
    ):
        refused = await refusal(call)
        assert refused.code is StatusCode.NOT_FOUND
        assert refused.detail(error_details_pb2.ResourceInfo).resource_type == "mailing"


# -- editing -----------------------------------------------------------------------------------


async def update(api: Api, mailing: Mailing, *paths: str) -> Mailing:
    return await api.mailings.UpdateMailing(UpdateMailingRequest(mailing=mailing, update_mask=FieldMask(paths=paths)))


async def test_an_update_changes_what_the_mask_names(api: Api) -> None:
    made = await api.add_mailing(rate_limit=5.0, filter=AudienceFilter(tags=["a"], phone_codes=["916"]))
    change = Mailing(id=made.id, text="new", filter=AudienceFilter(tags=["b"]))
    changed = await update(api, change, "text", "filter.tags", "rate_limit")
    assert changed.text == "new"
    assert changed.filter == AudienceFilter(tags=["b"], phone_codes=["916"])
    assert not changed.HasField("rate_limit")
    assert changed.end_time == made.end_time
    assert api.control.refreshed == [made.id, made.id]


async def test_without_a_mask_what_is_set_changes(api: Api) -> None:
    made = await api.add_mailing(rate_limit=5.0)
    changed = await update(api, Mailing(id=made.id, local_hours=hours("10:00", "11:00")))
    assert changed.local_hours == hours("10:00", "11:00")
    assert (changed.text, changed.rate_limit) == ("hello", 5.0)


async def test_a_mailing_as_read_can_be_sent_back_whole_and_nothing_happens(api: Api) -> None:
    made = await api.add_mailing(on_uncertain=ON_UNCERTAIN_NOT_SENT, local_hours=hours("10:00", "11:00"))
    read = await api.mailings.GetMailing(GetMailingRequest(mailing_id=made.id))
    told = len(api.control.refreshed)
    assert await update(api, read, "*") == read
    assert len(api.control.refreshed) == told


async def test_a_star_replaces_the_mailing(api: Api) -> None:
    made = await api.add_mailing(rate_limit=5.0, filter=AudienceFilter(tags=["a"]), local_hours=hours("01:00", "02:00"))
    whole = api.a_mailing(id=made.id)
    changed = await update(api, whole, "*")
    assert (changed.filter, changed.HasField("rate_limit"), changed.HasField("local_hours")) == (
        AudienceFilter(), False, False,
    )  # fmt: skip
    assert changed.end_time == whole.end_time


async def test_what_can_not_be_edited(api: Api) -> None:
    made = await api.add_mailing()
    refused = await refusal(
        update(api, Mailing(id=made.id, on_uncertain=ON_UNCERTAIN_NOT_SENT), "on_uncertain", "text")
    )
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.bad == {"on_uncertain", "text"}
    refused = await refusal(update(api, Mailing(id=made.id), "nonsense"))
    assert refused.bad == {"update_mask"}


async def test_every_bad_field_of_an_update_is_named(api: Api) -> None:
    made = await api.add_mailing()
    assert (await refusal(update(api, a_bad_mailing(id=made.id), "*"))).bad == BAD_FIELDS


async def test_times_must_fit_those_that_stay(api: Api) -> None:
    made = await api.add_mailing()
    late = at(made.end_time.ToMicroseconds() + 1)
    assert (await refusal(update(api, Mailing(id=made.id, start_time=late)))).bad == {"end_time"}


async def test_ended_and_cancelled_mailings_are_read_only_but_may_be_deleted(api: Api) -> None:
    ended, cancelled = await api.add_mailing(), await api.add_mailing()
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=cancelled.id))
    api.clock.pass_seconds(3600)
    for mailing in (ended, cancelled):
        for call in (
            update(api, Mailing(id=mailing.id, text="new")),
            api.mailings.PauseMailing(PauseMailingRequest(mailing_id=mailing.id)),
            api.mailings.ResumeMailing(ResumeMailingRequest(mailing_id=mailing.id)),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "READ_ONLY")
            assert refused.detail(error_details_pb2.PreconditionFailure).violations[0].type == "READ_ONLY"
        await api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=mailing.id))
        gone = await refusal(api.mailings.GetMailing(GetMailingRequest(mailing_id=mailing.id)))
        assert gone.code is StatusCode.NOT_FOUND
    refused = await refusal(api.mailings.CancelMailing(CancelMailingRequest(mailing_id=ended.id)))
    assert refused.code is StatusCode.NOT_FOUND


async def test_what_is_over_can_be_archived_and_is_listed_with_the_archive_only(api: Api) -> None:
    ended, active = await api.add_mailing(), await api.add_mailing(end_time=at(START_US + 7200 * SECOND_US))
    api.clock.pass_seconds(3600)
    refused = await refusal(api.mailings.ArchiveMailing(ArchiveMailingRequest(mailing_id=active.id)))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "STILL_OPEN")
    assert refused.detail(error_details_pb2.PreconditionFailure).violations[0].type == "STILL_OPEN"
    request = ArchiveMailingRequest(mailing_id=ended.id, request_id="once")
    archived = await api.mailings.ArchiveMailing(request)
    assert (archived.state, archived.archived_time.ToMicroseconds()) == (MAILING_STATE_ENDED, api.clock.us)
    assert await api.mailings.GetMailing(GetMailingRequest(mailing_id=ended.id)) == archived
    assert await ids_listed(api) == [active.id]
    assert await ids_listed(api, archived=True) == [ended.id]
    assert await ids_listed(api, archived=True, search="hello") == [ended.id]
    api.clock.pass_seconds(1)
    out = await api.mailings.UnarchiveMailing(UnarchiveMailingRequest(mailing_id=ended.id, request_id="again"))
    assert not out.HasField("archived_time")
    assert await ids_listed(api) == [active.id, ended.id]
    assert await ids_listed(api, archived=True) == []
    assert await api.mailings.ArchiveMailing(request) == archived  # the first answer, and nothing is done
    assert await ids_listed(api, archived=True) == []
    gone = await refusal(api.mailings.UnarchiveMailing(UnarchiveMailingRequest(mailing_id=999)))
    assert gone.code is StatusCode.NOT_FOUND


async def test_the_archive_has_pages_of_its_own(api: Api) -> None:
    made = [(await api.add_mailing()).id for _ in range(3)]
    api.clock.pass_seconds(3600)
    for mailing_id in made:
        await api.mailings.ArchiveMailing(ArchiveMailingRequest(mailing_id=mailing_id))
    first = await api.mailings.ListMailings(ListMailingsRequest(page_size=2, archived=True))
    rest = ListMailingsRequest(page_size=2, archived=True, page_token=first.next_page_token)
    assert [each.id for each in (await api.mailings.ListMailings(rest)).mailings] == made[:1]
    rest.archived = False  # not the list that the token is of
    assert (await refusal(api.mailings.ListMailings(rest))).bad == {"page_token"}


async def ids_listed(api: Api, **asked: Any) -> list[int]:
    found = await api.mailings.ListMailings(ListMailingsRequest(**asked))
    assert found.total_size == len(found.mailings)
    return [each.id for each in found.mailings]


# -- steering ----------------------------------------------------------------------------------


async def test_pause_returns_only_after_delivery_has_followed(api: Api) -> None:
    made = await api.add_mailing()
    go, asked, seen = asyncio.Event(), asyncio.Event(), []

    async def slow(mailing_id: int) -> None:
        seen.append((await api.store.get_mailing(mailing_id)).paused)
        asked.set()
        await go.wait()

    api.control.during_refresh = slow
    call = asyncio.ensure_future(api.mailings.PauseMailing(PauseMailingRequest(mailing_id=made.id)))
    await asked.wait()
    assert seen == [True]
    assert not call.done()
    go.set()
    assert (await call).state == MAILING_STATE_PAUSED


async def test_pausing_and_resuming_twice_is_no_error(api: Api) -> None:
    made = await api.add_mailing()
    for _ in range(2):
        paused = await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=made.id))
        assert paused.state == MAILING_STATE_PAUSED
    for _ in range(2):
        resumed = await api.mailings.ResumeMailing(ResumeMailingRequest(mailing_id=made.id))
        assert resumed.state == MAILING_STATE_ACTIVE


async def test_cancel_ends_what_is_pending_whenever_the_rows_follow(api: Api) -> None:
    await api.add_clients(10)
    made = await api.add_mailing()
    for _ in range(2):
        cancelled = await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id))
        assert cancelled.state == MAILING_STATE_CANCELLED
        assert (cancelled.message_counts.pending, cancelled.message_counts.not_sent) == (0, 10)
    stats = await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=made.id))
    assert stats.reasons.cancelled == 10


async def claimed(api: Api, mailing_id: int, number: int) -> Callable[[], Awaitable[int]]:
    """Put messages into an engine's queue; return what gives them back."""
    now_us, store = api.clock.us, api.store
    owner = await store.register_engine("test", 1, now_us, now_us)
    claims = await store.claim(mailing_id, number, owner=owner, now_us=now_us, lease_until_us=now_us + 60 * SECOND_US)
    returns = [Return(each.message_id, mailing_id, each.attempt, 0) for each in claims]
    return partial(store.release, returns, owner=owner, now_us=START_US)


async def test_cancel_waits_for_messages_that_delivery_gives_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add_clients(10)
    made = await api.add_mailing()
    give_back, sleep = await claimed(api, made.id, 4), api.clock.sleep
    slept: list[float] = []

    async def wait(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)
        if len(slept) == 3:
            assert await give_back() == 4

    monkeypatch.setattr(api.clock, "sleep", wait)
    cancelled = await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id))
    assert (cancelled.message_counts.pending, cancelled.message_counts.not_sent) == (0, 10)
    assert len(slept) == 3


async def test_cancel_does_not_wait_for_ever(api: Api) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    await claimed(api, made.id, 1)
    begin_us = api.clock.us
    cancelled = await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id))
    assert (cancelled.message_counts.pending, cancelled.message_counts.not_sent) == (1, 2)
    assert 5 * SECOND_US <= api.clock.us - begin_us < 6 * SECOND_US


async def test_delete_returns_only_after_delivery_has_followed(api: Api) -> None:
    made = await api.add_mailing()
    go, asked, plans = asyncio.Event(), asyncio.Event(), []

    async def slow(mailing_id: int) -> None:
        plans.extend(await api.store.plans(api.clock.us))
        asked.set()
        await go.wait()

    api.control.during_refresh = slow
    call = asyncio.ensure_future(api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=made.id)))
    await asked.wait()
    assert [(plan.mailing_id, plan.deleted) for plan in plans] == [(made.id, True)]
    assert (await refusal(api.mailings.GetMailing(GetMailingRequest(mailing_id=made.id)))).code is StatusCode.NOT_FOUND
    assert not call.done()
    go.set()
    await call
    assert api.control.refreshed[-1] == made.id
    assert (await refusal(api.mailings.GetMailing(GetMailingRequest(mailing_id=made.id)))).code is StatusCode.NOT_FOUND


async def test_an_ended_mailing_can_not_be_cancelled(api: Api) -> None:
    made = await api.add_mailing()
    api.clock.pass_seconds(3600)
    refused = await refusal(api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id)))
    assert refused.code is StatusCode.FAILED_PRECONDITION


async def test_lists_by_state_newest_first_with_tokens_that_survive_inserts(api: Api) -> None:
    soon = api.clock.us + 60 * SECOND_US
    scheduled = [await api.add_mailing(start_time=at(soon)) for _ in range(3)]
    active = await api.add_mailing()
    ended = await api.add_mailing(end_time=at(api.clock.us + SECOND_US))
    api.clock.pass_seconds(2)
    for state, wanted in (
        (MAILING_STATE_SCHEDULED, [each.id for each in reversed(scheduled)]),
        (MAILING_STATE_ACTIVE, [active.id]),
        (MAILING_STATE_ENDED, [ended.id]),
        (MAILING_STATE_PAUSED, []),
        (MAILING_STATE_CANCELLED, []),
    ):
        found = await api.mailings.ListMailings(ListMailingsRequest(state=state))
        assert ([each.id for each in found.mailings], found.total_size) == (wanted, len(wanted))
        assert all(each.state == state for each in found.mailings)
    first = await api.mailings.ListMailings(ListMailingsRequest(page_size=2))
    await api.add_mailing()
    rest = await api.mailings.ListMailings(ListMailingsRequest(page_token=first.next_page_token))
    assert [each.id for each in (*first.mailings, *rest.mailings)] == [
        ended.id, active.id, *(each.id for each in reversed(scheduled)),
    ]  # fmt: skip
    refused = await refusal(
        api.mailings.ListMailings(ListMailingsRequest(page_token=first.next_page_token, state=MAILING_STATE_ACTIVE))
    )
    assert refused.bad == {"page_token"}
    refused = await refusal(api.mailings.ListMailings(ListMailingsRequest(state=77, page_size=-1)))  # type: ignore[arg-type]
    assert refused.bad == {"state", "page_size"}


async def test_mailings_have_names_and_are_searched_by_them(api: Api) -> None:
    named = await api.add_mailing(name="Январская распродажа")
    other = await api.add_mailing()
    assert named.name == "Январская распродажа"

    async def found(**asked: Any) -> list[int]:
        page = await api.mailings.ListMailings(ListMailingsRequest(**asked))
        return [each.id for each in page.mailings]

    assert await found(search="ЯНВАР") == [named.id]
    assert await found(search=other.text.upper()) == [other.id, named.id]
    assert await found(search="ЯНВАР", state=MAILING_STATE_ENDED) == []
    changed = Mailing(id=named.id)
    mask = FieldMask(paths=["name"])
    cleared = await api.mailings.UpdateMailing(UpdateMailingRequest(mailing=changed, update_mask=mask))
    assert (cleared.name, cleared.text) == ("", named.text)
    for bad in ("x" * 201, "a\0"):
        assert (await refusal(api.mailings.ListMailings(ListMailingsRequest(search=bad)))).bad == {"search"}
    for bad in ("x" * 101, "a\0"):
        asked = CreateMailingRequest(mailing=api.a_mailing(name=bad))
        assert (await refusal(api.mailings.CreateMailing(asked))).bad == {"name"}


async def test_an_audience_is_live_unless_it_is_fixed(api: Api) -> None:
    live, fixed = await api.add_mailing(), await api.add_mailing(audience=AUDIENCE_MODE_FIXED)
    assert (live.audience, fixed.audience) == (AUDIENCE_MODE_LIVE, AUDIENCE_MODE_FIXED)
    mask = FieldMask(paths=["audience"])
    edited = await api.mailings.UpdateMailing(UpdateMailingRequest(mailing=Mailing(id=fixed.id), update_mask=mask))
    assert edited.audience == AUDIENCE_MODE_LIVE
    asked = CreateMailingRequest(mailing=api.a_mailing(audience=7))
    assert (await refusal(api.mailings.CreateMailing(asked))).bad == {"audience"}


async def test_a_mailing_for_those_who_did_not_get_another_one(api: Api) -> None:
    await api.add_clients(3)
    first = await api.add_mailing()
    await api.build(first.id)
    messages = MessageCondition(
        mailing_id=first.id,
        statuses=[MESSAGE_STATUS_NOT_SENT, MESSAGE_STATUS_PENDING],
        reasons=[NOT_SENT_REASON_EXPIRED, NOT_SENT_REASON_CANCELLED],
    )
    wanted = AudienceFilter(messages=messages)
    preview = await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=api.a_mailing(filter=wanted)))
    assert preview.audience == 0
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=first.id))
    preview = await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=api.a_mailing(filter=wanted)))
    assert preview.audience == 3
    second = await api.add_mailing(filter=wanted)
    assert second.filter == wanted
    await api.build(second.id)
    read = await api.mailings.GetMailing(GetMailingRequest(mailing_id=second.id))
    assert read.message_counts.pending == 3

    async def bad(filter: AudienceFilter) -> set[str]:
        asked = api.a_mailing(filter=filter)
        calls = (
            api.mailings.CreateMailing(CreateMailingRequest(mailing=asked)),
            api.mailings.CreateMailing(CreateMailingRequest(mailing=asked, validate_only=True)),
            api.mailings.PreviewMailing(PreviewMailingRequest(mailing=asked)),
        )
        first, *others = [(await refusal(call)).bad for call in calls]
        assert others == [first, first]
        return set(first)

    assert await bad(AudienceFilter(messages=MessageCondition(mailing_id=99))) == {"filter.messages.mailing_id"}
    assert await bad(AudienceFilter(client_ids=[1, -1])) == {"filter.client_ids[1]"}
    assert await bad(AudienceFilter(messages=MessageCondition(mailing_id=-1))) == {"filter.messages.mailing_id"}
    unknown = MessageCondition(mailing_id=first.id, statuses=[7])  # type: ignore[list-item]
    assert await bad(AudienceFilter(messages=unknown)) == {"filter.messages.statuses[0]"}


async def test_a_preview_of_a_decided_audience_counts_its_messages_and_not_who_matches_now(api: Api) -> None:
    await api.add_clients(4)
    fixed = await api.add_mailing(audience=AUDIENCE_MODE_FIXED)
    await api.build(fixed.id)
    await api.add_clients(6, first=10)

    async def audience(**changes: Any) -> int:
        wanted = Mailing()
        wanted.CopyFrom(fixed)
        wanted.MergeFrom(Mailing(**changes))
        request = PreviewMailingRequest(mailing=wanted, mailing_id=fixed.id)
        return (await api.mailings.PreviewMailing(request)).audience

    assert await audience() == 4
    assert await audience(local_hours=hours("00:00", "23:59")) == 4
    assert await audience(filter=AudienceFilter(tags=["a", "b"])) == 10
    assert await audience(audience=AUDIENCE_MODE_LIVE) == 10


# -- numbers -----------------------------------------------------------------------------------


async def test_a_preview_stores_nothing(api: Api) -> None:
    await api.add_clients(500)
    wanted = api.a_mailing(filter=AudienceFilter(tags=["a"]))
    wanted.text = "привет" * 12
    preview = await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=wanted))
    assert (preview.audience, preview.segments, preview.encoding, preview.units) == (250, 2, TEXT_ENCODING_UCS2, 72)
    forecast = preview.forecast
    assert (forecast.missed, forecast.rate_per_second) == (0, 100)
    assert forecast.completion_time.ToMicroseconds() == api.clock.us + 2_500_000
    assert (await api.mailings.ListMailings(ListMailingsRequest())).total_size == 0
    wanted.rate_limit = 0.01
    slow = (await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=wanted))).forecast
    assert (slow.HasField("completion_time"), slow.missed) == (False, 250 - 36)
    refused = await refusal(api.mailings.PreviewMailing(PreviewMailingRequest(mailing=a_bad_mailing())))
    assert refused.bad == BAD_FIELDS


async def test_a_preview_without_a_known_speed_foretells_nothing(api: Api) -> None:
    api.control.rate = 0
    preview = await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=api.a_mailing()))
    assert (preview.forecast.HasField("completion_time"), preview.forecast.missed) == (False, 0)


async def test_statistics_of_a_mailing_that_has_begun(api: Api) -> None:
    await api.add_clients(4)
    made = await api.add_mailing()
    await api.deliver(made.id, 1)
    stats = await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=made.id))
    counts = stats.message_counts
    assert (counts.pending, counts.sent, counts.not_sent, counts.total) == (3, 1, 0, 4)
    assert stats.mailing_id == made.id
    assert stats.progress == 0.25
    assert stats.rate_per_second > 0
    assert stats.estimated_completion_time.ToMicroseconds() > api.clock.us
    assert stats.HasField("forecast")
    assert (stats.attempts.total, stats.attempts.retried, dict(stats.attempts.by_http_status)) == (1, 0, {200: 1})
    assert 0.04 < stats.latency_seconds.p50 <= stats.latency_seconds.p95 <= stats.latency_seconds.p99 < 0.07
    assert {tag: each.total for tag, each in stats.by_tag.items()} == {"a": 2, "b": 2}
    assert {code: each.sent for code, each in stats.by_phone_code.items()} == {"916": 1}
    assert stats.by_time_zone["UTC"].pending == 3
    assert [(step.sent, step.not_sent, step.deferred) for step in stats.timeline] == [(1, 0, 0)]


async def test_statistics_of_a_mailing_for_nobody(api: Api) -> None:
    made = await api.add_mailing()
    stats = await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=made.id))
    assert (stats.progress, stats.rate_per_second, list(stats.timeline)) == (1.0, 0.0, [])
    assert not stats.latency_seconds.HasField("p50")
    assert not stats.HasField("estimated_completion_time")
