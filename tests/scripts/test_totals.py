"""scripts/totals.py: what the demo says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from scripts.processes import Failed
from scripts.totals import compare, waiting

CLIENTS: Final = 10_000
STATS: Final = {
    "message_counts": {"pending": 0, "sent": 9_900, "not_sent": 100, "total": CLIENTS},
    "delivery": {"delivered": 9_500, "undelivered": 300, "none": 100},
    "reasons": {"expired": 0, "rejected": 100, "cancelled": 0, "uncertain": 0, "suppressed": 0, "incomplete": 0},
}
RECEIPTS: Final = {"delivered": 9_500, "undelivered": 300, "lost": 100, "repeated": 9, "reordered": 8, "waiting": 0}
ONE: Final = {
    "requests": 10_250,
    "accepted_ids": 9_900,
    "accepted_again_ids": 0,
    "by_status": {"400": 100},
    "receipts": RECEIPTS,
}
ALPHA: Final = ONE | {
    "accepted_ids": 6_000,
    "by_status": {"400": 60, "503": 20},
    "receipts": RECEIPTS | {"delivered": 5_700, "undelivered": 200, "waiting": 2},
}
BETA: Final = ONE | {
    "accepted_ids": 3_900,
    "by_status": {"400": 40},
    "receipts": RECEIPTS | {"delivered": 3_800, "undelivered": 100, "waiting": 3},
}


def sandbox(*stats: Mapping[str, Any], both: int = 0) -> dict[str, Any]:
    """As ``GET /sandbox/providers`` says."""
    providers = [{"name": name, "stats": each} for name, each in zip(("alpha", "beta"), stats, strict=False)]
    return {"providers": providers, "accepted_by_two": {"count": both, "ids": []}}


def test_totals_are_printed_beside_the_sandbox_s(capsys: pytest.CaptureFixture[str]) -> None:
    compare(STATS, sandbox(ONE), CLIENTS)
    printed = capsys.readouterr().out
    assert "10000 = 9900 sent + 100 not sent (100 rejected)" in printed
    assert "Sandbox: 9900 texts accepted, 100 refused with 400, 10250 calls in all," in printed
    assert "9900 sent = 9500 delivered + 300 undelivered + 100 of which nothing was said" in printed
    assert "receipts: 9500 delivered, 300 undelivered, 100 lost, 9 repeated, 8 reordered" in printed
    assert "Both" not in printed


def test_several_providers_have_a_line_each_and_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    compare(STATS, sandbox(ALPHA, BETA), CLIENTS)
    printed = capsys.readouterr().out
    assert "alpha:   6000 texts accepted, 60 refused" in printed
    assert "beta:    3900 texts accepted, 40 refused" in printed
    assert "0 texts accepted by two of them" in printed


def test_clients_that_are_added_meanwhile_are_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"pending": 0, "sent": 9_903, "not_sent": 100, "total": CLIENTS + 3}
    delivery = STATS["delivery"] | {"none": 103}
    compare({**STATS, "message_counts": counts, "delivery": delivery}, sandbox(ONE | {"accepted_ids": 9_903}), CLIENTS)
    assert "10003 = 9903 sent" in capsys.readouterr().out


@pytest.mark.parametrize(
    "counted",
    [
        sandbox(ONE | {"accepted_ids": 9_899}),
        sandbox(ONE | {"by_status": {}}),
        sandbox(ONE | {"receipts": RECEIPTS | {"delivered": 9_499}}),
        sandbox(ALPHA | {"accepted_ids": 6_001}, BETA),
        sandbox(ALPHA | {"accepted_ids": 6_001}, BETA, both=1),
    ],
)
def test_counts_that_differ_and_a_text_at_two_providers_are_a_failure(counted: Mapping[str, Any]) -> None:
    with pytest.raises(Failed, match="the counts differ"):
        compare(STATS, counted, CLIENTS)


def test_receipts_are_awaited_from_all_of_them() -> None:
    assert waiting(sandbox(ALPHA, BETA)) == 5
