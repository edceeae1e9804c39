"""What the people of an audience would get: how long their texts are, who would get none, and the first few texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.fares import Fare, place_in
from engine.domain.routing import joined
from engine.domain.segments import count_segments
from engine.domain.template import Filled, Template, template_of
from engine.domain.validate import MailingInput
from engine.person import Person
from engine.store.samples import AudienceSample
from engine.store.store import Store
from mailing.v1 import mailing_pb2, mailing_service_pb2

LOOKED_AT: Final = 10_000
"""Of larger audiences so many texts are made, and the rest is estimated."""
SAMPLES: Final = 3
_AT_ONCE: Final = 200
"""So many texts are made before others get their turn: a millisecond."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What a preview says of the texts."""

    incomplete: int
    segments_max: int
    segments_total: int
    samples: Sequence[mailing_service_pb2.TextSample] = ()
    warnings: Sequence[mailing_pb2.MailingWarning] = ()
    lengths: Sequence[tuple[int, int]] = ()
    """Of each text that was looked at the place of its number's fare, and its segments; 0: there is none. Empty: all
    texts are of the same length."""
    estimated: bool = False
    """``incomplete`` is: texts that were looked at don't fit, and not all were."""
    is_whole: bool = False
    """``lengths`` has the text of everybody who gets one."""


async def letters_of(
    store: Store, wanted: MailingInput, fares: Sequence[Fare], served: int, segments_max: int, unsent_of: int | None
) -> Letters:
    """Make the texts of those in an audience to whom somebody sends (``served``: how many clients), or of some of them.
    ``fares``: of their numbers."""
    template = template_of(wanted.text)
    sample = AudienceSample(())
    if served:
        numbers = joined(pair for fare in fares for pair in fare.ranges)
        limit = LOOKED_AT if template.is_personal else SAMPLES
        sample = await store.audience_sample(wanted.filter, template, limit=limit, unsent_of=unsent_of, ranges=numbers)
    if not template.is_personal:
        segments = count_segments(template.plain).segments
        same = [Filled(template.plain, {}, "")] * len(sample.people)
        return Letters(0, segments, segments * served, _samples(sample.people, same, [segments] * len(same)))
    return await _personal(template, fares, sample, segments_max)


async def _personal(template: Template, fares: Sequence[Fare], sample: AudienceSample, segments_max: int) -> Letters:
    texts: list[Filled] = []
    counts: list[int] = []
    for place, (_, person) in enumerate(sample.people):
        text = person.letter(template, segments_max)
        texts.append(text)
        counts.append(0 if text.lack else count_segments(text.text).segments)
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)
    unfit = sum(1 for text in texts if text.lack and not text.lacking)
    incomplete, total = _estimate(sample, unfit, counts)
    is_whole = _is_whole(sample, unfit, counts)
    samples = _samples(sample.people, texts, counts)
    fare_at = place_in(fares)
    lengths = [(fare_at(person.phone_number), count) for (_, person), count in zip(sample.people, counts, strict=True)]
    return Letters(
        incomplete,
        max(counts, default=0),
        total,
        samples,
        _warnings(sample),
        lengths,
        unfit > 0 and not is_whole,
        is_whole,
    )


def _estimate(sample: AudienceSample, unfit: int, counts: Sequence[int]) -> tuple[int, int]:
    """How many would get no text, and how many segments all others together. Who lacks an attribute is counted, however
    large the audience is; whose text does not fit, and how long texts are, is known of those looked at."""
    fit = sum(1 for count in counts if count)
    if _is_whole(sample, unfit, counts):
        return sample.lacking + unfit, sum(counts)
    whole = sample.clients - sample.lacking
    incomplete = sample.lacking + (round(whole * unfit / (unfit + fit)) if unfit else 0)
    return incomplete, round((sample.clients - incomplete) * sum(counts) / fit) if fit else 0


def _is_whole(sample: AudienceSample, unfit: int, counts: Sequence[int]) -> bool:
    """Everybody was looked at who lacks no attribute."""
    return unfit + sum(1 for count in counts if count) == sample.clients - sample.lacking


def _samples(
    people: Sequence[tuple[int, Person]], texts: Sequence[Filled], counts: Sequence[int]
) -> list[mailing_service_pb2.TextSample]:
    """The first few who get a text, with it."""
    found = (
        mailing_service_pb2.TextSample(client_id=client_id, text=text.text, segments=segments)
        for (client_id, _), text, segments in zip(people, texts, counts, strict=True)
        if not text.lack
    )
    return list(islice(found, SAMPLES))


def _warnings(sample: AudienceSample) -> list[mailing_pb2.MailingWarning]:
    """Names in the text that nobody of the audience has: they may be misspelt."""
    faults = [
        ErrorCode.PLACEHOLDER_OF_NOBODY.format(name=name)
        for name, number in sample.having.items()
        if sample.clients and not number
    ]
    return [
        mailing_pb2.MailingWarning(code=fault.code, message=fault, field="text", arguments=fault.arguments)
        for fault in faults
    ]
