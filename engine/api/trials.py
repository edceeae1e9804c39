"""TestMailing: a text for somebody who wants to see it before others get it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.error_codes import Unfit
from common.logs import mask_text
from engine.api.background import Background
from engine.api.control import DeliveryControl
from engine.api.convert import both
from engine.api.limits import Limits
from engine.api.repeats import request_key
from engine.api.wishes import checked_wish
from engine.domain.access import Impossible
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.outcome import Verdict
from engine.domain.phone import normalise
from engine.domain.routing import Way, Wish
from engine.domain.segments import count_segments
from engine.domain.template import Template, parse_template
from engine.domain.validate import bare_text, text_problem
from engine.person import Person
from engine.ports import Clock, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from mailing.v1 import test_text_pb2

_LIMITS: Final = Limits(test_text_pb2.TestMailingRequest)
_STATUSES: Final = {
    Verdict.SENT: test_text_pb2.TEST_STATUS_SENT,
    Verdict.UNKNOWN: test_text_pb2.TEST_STATUS_UNCERTAIN,
}
_SUPPRESSED: Final = "the number was put on the stop list"
_STORE_AWAY: Final = "the stop list can't be asked: the database is away"
_STOPPED: Final = "the engine stopped before the provider answered"
_Result = tuple[test_text_pb2.TestStatus.ValueType, str, int]
"""Status, detail, segments: what is kept to answer a repeated request, which names the numbers itself."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for, checked."""

    wish: Wish
    text: str
    template: Template
    phone_numbers: tuple[int, ...]


class Trials:
    """Sends texts that somebody wants to try."""

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, background: Background, segments_max: int
    ) -> None:
        self._store, self._control, self._clock = store, control, clock
        self._background, self._segments_max = background, segments_max

    async def send(self, request: test_text_pb2.TestMailingRequest, by: Actor) -> test_text_pb2.TestMailingResponse:
        """Send it to each number.

        Raises:
            InvalidInput: with every bad field.
            NotFound: there is no such client.
            Conflict: a number is on the stop list.
            Impossible: sending is paused, or the providers of a number take no calls.
        """
        bare = test_text_pb2.TestMailingRequest()
        bare.CopyFrom(request)
        bare.text = bare_text(request.text)
        wanted, key = both(
            lambda: _LIMITS.checked(bare, _wanted, self._segments_max, self._control.ways()),
            lambda: request_key("TestMailing", request, request.request_id, by),
        )
        client_id = request.client_id if request.HasField("client_id") else None
        if request.validate_only:
            return _answer(wanted, await self._would_send(wanted, client_id))
        unknown: list[_Result] = [(test_text_pb2.TEST_STATUS_UNCERTAIN, _STOPPED, 0)] * len(wanted.phone_numbers)

        async def change() -> Sequence[_Result]:
            with self._background.running.hold(key):
                if (stored := None if key is None else await self._store.stored_answer(key)) is not None:
                    return [tuple(each) for each in stored]
                if (refusal := self._control.trial_refusal(wanted.phone_numbers, wanted.wish)) is not None:
                    raise Impossible(refusal)
                trial = await self._store.begin_trial(
                    wanted.text,
                    wanted.phone_numbers,
                    client_id,
                    by=by,
                    now_us=self._clock.now_us(),
                    request=key,
                    answer=unknown,
                )
                if trial.answer is not None:
                    return [tuple(each) for each in trial.answer]
                pairs = zip(trial.message_ids, wanted.phone_numbers, strict=True)
                results = await asyncio.gather(*(self._one(id, number, wanted, trial.person) for id, number in pairs))
                if key is not None:
                    await self._store.amend_answer(key, results)
                return results

        return _answer(wanted, await self._background.whole(change()))

    async def _would_send(self, wanted: _Wanted, client_id: int | None) -> Sequence[_Result]:
        """What is known before anything is sent. Raises what ``send`` raises."""
        if (refusal := self._control.trial_refusal(wanted.phone_numbers, wanted.wish)) is not None:
            raise Impossible(refusal)
        person = await self._store.check_trial(wanted.phone_numbers, client_id)
        texts = [self._text(number, wanted.template, person) for number in wanted.phone_numbers]
        return [
            (test_text_pb2.TEST_STATUS_UNSPECIFIED, lack, 0 if lack else count_segments(text).segments)
            for text, lack in texts
        ]

    def _text(self, phone_number: int, template: Template, person: Person | None) -> tuple[str, str]:
        """The text for a number, and why there is none."""
        if not template.is_personal:
            return template.plain, ""
        letter = (person or Person("{}", "", phone_number)).letter(template, self._segments_max)
        return letter.text, letter.lack

    async def _one(self, message_id: int, phone_number: int, wanted: _Wanted, person: Person | None) -> _Result:
        text, lack = self._text(phone_number, wanted.template, person)
        if lack:
            return test_text_pb2.TEST_STATUS_NOT_SENT, lack, 0

        async def is_wanted() -> str:
            try:
                return _SUPPRESSED if await self._store.listed([phone_number]) else ""
            except StoreUnavailable:
                return _STORE_AWAY

        outcome = await self._control.send_trial(message_id, phone_number, text, is_wanted, wanted.wish)
        status = _STATUSES.get(outcome.verdict, test_text_pb2.TEST_STATUS_NOT_SENT)
        return status, mask_text(outcome.detail), count_segments(text).segments


def _answer(wanted: _Wanted, results: Sequence[_Result]) -> test_text_pb2.TestMailingResponse:
    return test_text_pb2.TestMailingResponse(
        results=[
            test_text_pb2.TestResult(phone_number=str(number), status=status, detail=detail, segments=segments)
            for number, (status, detail, segments) in zip(wanted.phone_numbers, results, strict=True)
        ]
    )


def _wanted(request: test_text_pb2.TestMailingRequest, segments_max: int, ways: Sequence[Way]) -> _Wanted:
    """What is asked for, as far as the contract's limits do not say. Raises InvalidInput with every bad field."""
    errors: list[FieldError] = []
    if (problem := text_problem(request.text, segments_max)) is not None:
        errors.append(FieldError("text", problem))
    numbers: dict[int, None] = {}
    for place, number in enumerate(request.phone_numbers):
        try:
            numbers[normalise(number)] = None
        except Unfit as error:
            errors.append(FieldError(f"phone_numbers[{place}]", error.fault))
    wish = Wish(request.provider if request.HasField("provider") else None)
    try:
        checked_wish(wish, ways)
    except InvalidInput as error:
        errors += error.errors
    if errors:
        raise InvalidInput(errors)
    return _Wanted(wish, request.text, parse_template(request.text), tuple(numbers))
