"""What the texts of a life cost, and budgets.

21  a mailing's cost is the sum of its messages' costs; each costs at least what its provider bills, which is once for
    the first text that it accepted, and no more than the longest text at the dearest provider; one that certainly was
    not sent costs nothing; and while a mailing has a budget its providers bill no more
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from engine.domain.cost import UNIT, micros
from engine.domain.message import Reason, Status
from engine.domain.segments import count_segments
from engine.provider.spec import FBRQ
from tests.simulation.world import Call

PRICES: Final[Mapping[str, float]] = {FBRQ: 0.5, "second": 2.0}
"""The third provider has none."""
_PRICELESS: Final = 0.4
"""Share of lives in which no provider has one. Several mailings are then claimed for in one transaction."""
_BUDGETS: Final = (None, None, 2 * UNIT, 7 * UNIT)


def draw_prices(seed: int) -> Mapping[str, float]:
    """What a segment costs, by provider."""
    return {} if Random(f"prices of {seed}").random() < _PRICELESS else PRICES


def draw_budget(random: Random) -> int | None:
    """What a mailing may cost until there is quiet."""
    return random.choice(_BUDGETS)


def billed(calls: Iterable[Call], prices: Mapping[str, float]) -> int:
    """What the provider of one message bills."""
    taken = [call for call in calls if call.http_status == 200]
    price = micros(prices.get(taken[0].provider, 0.0)) if taken else 0
    return count_segments(taken[0].text).segments * price if price else 0


def wrong_costs(
    rows: Mapping[int, Mapping[str, Any]],
    calls: Mapping[int, list[Call]],
    counters: Sequence[Mapping[str, Any]],
    prices: Mapping[str, float],
) -> Iterator[str]:
    """What is wrong in the end."""
    sums: Counter[int] = Counter()
    longest = max((count_segments(call.text).segments for made in calls.values() for call in made), default=1)
    dearest = longest * micros(max(prices.values(), default=0.0))
    for id, row in rows.items():
        sums[row["mailing_id"]] += row["cost"]
        if row["cost"] > dearest:
            yield f"21: message {id} costs {row['cost']}, more than any text can"
        if row["cost"] < (bill := billed(calls.get(id, ()), prices)):
            yield f"21: message {id} costs {row['cost']}, and its provider bills {bill}"
        if row["status"] != Status.SENT and row["reason"] != Reason.UNCERTAIN and row["cost"]:
            yield f"21: message {id} costs {row['cost']}, and was not sent"
    for counted in counters:
        id, cost = counted["mailing_id"], counted["cost"]
        if cost != sums[id]:
            yield f"21: mailing {id} costs {cost}, its messages {sums[id]}"


def overspent(
    budgets: Mapping[int, int | None],
    mailing_of: Mapping[int, int],
    calls: Iterable[Call],
    prices: Mapping[str, float],
) -> Iterator[str]:
    """Mailings that were billed more than their budgets, by these calls."""
    by_message: dict[int, list[Call]] = {}
    for call in calls:
        by_message.setdefault(call.message_id, []).append(call)
    spent: Counter[int] = Counter()
    for id, of_one in by_message.items():
        spent[mailing_of[id]] += billed(of_one, prices)
    for mailing_id, budget in budgets.items():
        if budget is not None and spent[mailing_id] > budget:
            yield f"21: mailing {mailing_id} was billed {spent[mailing_id]}, its budget was {budget}"
