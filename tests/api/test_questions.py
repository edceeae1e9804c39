"""Questions that cost much: few at a time, in turns, once for all who ask the same, and for nobody who has left."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from engine.api import questions
from engine.api.questions import BURST_SECONDS, SHARE, Questions
from engine.store.errors import TooLong
from mailing.v1.mailing_service_pb2 import CreateMailingRequest, ListMailingsRequest, PreviewMailingRequest
from tests.api.conftest import Api
from tests.rules.rig import until


class Desk:
    """Questions that are answered when the test says so."""

    def __init__(self, *, is_sending: bool = False) -> None:
        self.is_sending, self.seconds = is_sending, 0.0
        self.questions = Questions(lambda: self.is_sending, lambda: self.seconds)
        self.begun: list[str] = []
        self.left: list[str] = []
        self.open = asyncio.Event()

    def ask(self, key: str, caller: str = "viewer", costs_seconds: float = 0.0) -> asyncio.Task[Any]:
        """Ask; the answer is the key."""

        async def make() -> str:
            self.begun.append(key)
            try:
                await self.open.wait()
            except asyncio.CancelledError:
                self.left.append(key)
                raise
            self.seconds += costs_seconds
            return key

        return asyncio.create_task(self.questions.ask(key, caller, make))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_equal_questions_are_asked_once_and_few_at_a_time() -> None:
    desk = Desk()
    asked = [desk.ask(key) for key in "aaabbbcccddd"]
    await settled()
    assert desk.begun == ["a", "b"]
    desk.open.set()
    assert await asyncio.gather(*asked) == list("aaabbbcccddd")
    assert desk.begun == ["a", "b", "c", "d"]
    assert await desk.ask("a") == "a"
    assert desk.begun[-1] == "a"  # it was answered: the next one is asked anew


async def test_callers_take_turns_however_many_questions_one_has() -> None:
    desk = Desk()
    asked = [desk.ask(f"many{number}", "many") for number in range(50)]
    asked += [desk.ask("one", "one"), desk.ask("two", "two")]
    await settled()
    desk.open.set()
    await asyncio.gather(*asked)
    assert {"one", "two"} <= set(desk.begun[:6])


async def test_a_question_ends_when_all_who_asked_it_have_left_and_not_before() -> None:
    desk = Desk()
    first, second, other, waiting = desk.ask("a"), desk.ask("a"), desk.ask("b"), desk.ask("c")
    await settled()
    first.cancel()
    waiting.cancel()  # its turn has not come, and does not
    await settled()
    assert desk.left == []
    second.cancel()
    await settled()
    assert desk.left == ["a"]
    again = desk.ask("a")
    desk.open.set()
    assert (await other, await again) == ("b", "a")
    assert Counter(desk.begun) == {"a": 2, "b": 1}


async def test_a_failure_is_told_to_all_who_asked_and_the_next_question_has_its_turn() -> None:
    desk = Desk()

    async def fail() -> None:
        await desk.open.wait()
        raise LookupError("no")

    asked = [asyncio.create_task(desk.questions.ask("bad", "viewer", fail)) for _ in range(5)]
    await settled()
    desk.open.set()
    assert [str(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)] == ["no"] * 5
    assert await desk.ask("good") == "good"


async def test_who_gets_no_turn_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "LONG_SECONDS", 0.05)
    desk = Desk()
    running = [desk.ask(key) for key in "ab"]
    with pytest.raises(TooLong, match="too many questions"):
        await desk.ask("c")
    desk.open.set()
    assert await asyncio.gather(*running) == ["a", "b"]
    assert await desk.ask("c") == "c"


async def test_while_messages_are_sent_questions_take_a_share_of_the_processor_only() -> None:
    desk = Desk(is_sending=True)
    desk.open.set()
    cost_seconds, number = 0.1, 0
    while desk.seconds < 60:
        waiting = desk.ask(f"{(number := number + 1)}", costs_seconds=cost_seconds)
        await settled()
        while not waiting.done():  # it waits for its turn; time passes
            desk.seconds += 0.05
            desk.questions._waited()
            await settled()
    assert number * cost_seconds <= BURST_SECONDS + SHARE * desk.seconds + 2 * cost_seconds
    assert number * cost_seconds >= SHARE * desk.seconds / 2


async def test_while_nothing_is_sent_they_do_not_wait() -> None:
    desk = Desk()
    desk.open.set()
    for number in range(20):
        await desk.ask(str(number), costs_seconds=1.0)
    assert len(desk.begun) == 20


async def test_after_the_dearest_question_the_next_one_comes_within_two_seconds() -> None:
    desk = Desk(is_sending=True)
    desk.open.set()
    await desk.ask("dear", costs_seconds=100.0)
    waiting = desk.ask("next")
    await settled()
    assert not waiting.done()
    desk.seconds += 2.0
    desk.questions._waited()
    assert await waiting == "next"


async def test_the_timer_gives_the_turn_by_itself() -> None:
    now = asyncio.get_running_loop().time
    patient = Questions(lambda: True, now)

    async def dear() -> int:
        patient._owe(BURST_SECONDS + 0.01)
        return 1

    async def cheap() -> int:
        return 2

    assert await patient.ask("dear", "viewer", dear) == 1
    asked = asyncio.create_task(patient.ask("cheap", "viewer", cheap))
    await settled()
    assert not asked.done()
    await until(asked.done)
    assert await asked == 2


async def test_previews_that_hang_hold_up_no_other_call_and_end_with_their_callers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, left = 0, 0

    async def hangs(_filter: object, **_: object) -> dict[str, int]:
        nonlocal begun, left
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            left += 1
        raise AssertionError("unreachable")

    monkeypatch.setattr(api.store, "audience_by_zone", hangs)
    wanted = [api.a_mailing() for _ in range(10)]
    for number, mailing in enumerate(wanted):
        mailing.text = f"text {number}"
    previews = [api.mailings.PreviewMailing(PreviewMailingRequest(mailing=mailing)) for mailing in wanted]
    await until(lambda: begun == 2)
    await api.mailings.ListMailings(ListMailingsRequest())
    await api.mailings.CreateMailing(CreateMailingRequest(mailing=api.a_mailing()))
    for preview in previews:
        preview.cancel()
    await until(lambda: left == begun)
    monkeypatch.undo()
    assert (await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=wanted[0]))).audience == 0
