"""What a mailing would cost, and what one more of its messages does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from common.error_codes import ErrorCode
from engine.api.letters import Letters
from engine.domain.cost import money, written
from engine.domain.fares import Fare, cost_at_most
from engine.domain.routing import Way, Wish, candidates
from engine.domain.segments import count_segments
from engine.domain.template import template_of
from engine.domain.validate import MailingInput
from engine.store.rows import MailingRow
from mailing.v1 import mailing_pb2


def cost_of(letters: Letters, fares: Sequence[Fare], counts: Sequence[int]) -> float | None:
    """What these texts cost at most. ``None``: nobody who may get one has a provider with a price. ``counts``: how many
    people have a number of each fare, those who get no text included."""
    if not any(fare.dearest for fare in _present(fares, counts)):
        return None
    if letters.is_whole:
        known = Counter(place for place, _ in letters.lengths)
        counts = [known[place] for place in range(len(fares))]
    return money(cost_at_most(fares, counts, letters.segments_total, letters.lengths))


def budget_warnings(
    mailing: MailingInput | MailingRow, fares: Sequence[Fare], segments_max: int, counts: Sequence[int] = ()
) -> list[mailing_pb2.MailingWarning]:
    """That the budget is not enough for a single message, at the provider whose turn it is first. ``counts``: how many
    people have a number of each fare; empty: it is not known."""
    least = min((fare.first for fare in _present(fares, counts)), default=0) * _segments(mailing, segments_max)
    if mailing.budget is None or mailing.budget >= least:
        return []
    fault = ErrorCode.BUDGET_BELOW_MESSAGE.format(cost=written(least))
    return [mailing_pb2.MailingWarning(code=fault.code, message=fault, field="budget", arguments=fault.arguments)]


def cheapest(mailing: MailingInput | MailingRow, ways: Sequence[Way], segments_max: int) -> int:
    """What one more message costs at least, whoever sends it, in millionths; 0: there is a provider without a price."""
    prices = [way.price for way in candidates(ways, Wish(mailing.provider, mailing.sender))]
    return min(prices, default=0) * _segments(mailing, segments_max)


def _present(fares: Sequence[Fare], counts: Sequence[int]) -> Sequence[Fare]:
    """The fares of those who are there; all of them, if nobody is."""
    return [fare for fare, number in zip(fares, counts, strict=False) if number] or fares


def _segments(mailing: MailingInput | MailingRow, segments_max: int) -> int:
    """As a claim reserves them."""
    template = template_of(mailing.text)
    return segments_max if template.is_personal else count_segments(template.plain).segments
