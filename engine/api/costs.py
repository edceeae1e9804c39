"""What a mailing would cost, and what one more of its messages does."""

from __future__ import annotations

from collections.abc import Sequence

from common.error_codes import ErrorCode
from engine.domain.cost import money, written
from engine.domain.routing import Way, Wish, candidates, first_choices
from engine.domain.segments import count_segments
from engine.domain.template import template_of
from engine.domain.validate import MailingInput
from engine.store.rows import MailingRow
from mailing.v1 import mailing_pb2


def cost_of(wanted: MailingInput, segments: int, ways: Sequence[Way]) -> float | None:
    """What so many segments would cost at the first provider in the order; where that is another one for other numbers,
    at the dearest of them. ``None``: none of them has a price."""
    prices = [way.price for way in first_choices(ways, Wish(wanted.provider, wanted.sender)) if way.price]
    return money(segments * max(prices)) if prices else None


def budget_warnings(
    mailing: MailingInput | MailingRow, ways: Sequence[Way], segments_max: int
) -> list[mailing_pb2.MailingWarning]:
    """That the budget is not enough for a single message."""
    least = cheapest(mailing, ways, segments_max)
    if mailing.budget is None or mailing.budget >= least:
        return []
    fault = ErrorCode.BUDGET_BELOW_MESSAGE.format(cost=written(least))
    return [mailing_pb2.MailingWarning(code=fault.code, message=fault, field="budget", arguments=fault.arguments)]


def cheapest(mailing: MailingInput | MailingRow, ways: Sequence[Way], segments_max: int) -> int:
    """What one more message costs at least, in millionths; 0: there is a provider without a price."""
    prices = [way.price for way in candidates(ways, Wish(mailing.provider, mailing.sender))]
    template = template_of(mailing.text)
    segments = segments_max if template.is_personal else count_segments(template.plain).segments
    return min(prices, default=0) * segments
