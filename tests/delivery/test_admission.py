"""What may be claimed, queued and chosen; ``test_worker.py`` tests each part of the last check before a call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.delivery.admission import Claiming
from engine.domain.outcome import Outcome, Verdict
from tests.delivery.plans import Bench, a_claim, a_plan
from tests.simulation.loop import EPOCH_US, VirtualLoop

SOON_US, LATER_US = EPOCH_US + 1_000, EPOCH_US + 3_600_000_000
FAILED = Outcome(Verdict.RETRY, 500, "HTTP 500", None)
BUSY = Outcome(Verdict.RETRY, 429, "HTTP 429", 5.0)
Change = Callable[[Bench], None]


def nothing(_: Bench) -> None:
    """A quiet day."""


def pause(bench: Bench) -> None:
    bench.gate.pause(True)


def stop(bench: Bench) -> None:
    bench.gate.stop()


def forget(bench: Bench) -> None:
    bench.gate.watch(lambda: True)


def be_busy(bench: Bench) -> None:
    bench.gate.report(1, BUSY, EPOCH_US)


def fail(bench: Bench) -> None:
    for message_id in (1, 2, 3):
        bench.gate.report(message_id, FAILED, EPOCH_US)


def fail_and_probe(bench: Bench) -> None:
    fail(bench)
    bench.gate.start(4, LATER_US - 1)


@pytest.mark.parametrize(
    ("change", "soon", "later"),
    [
        (nothing, Claiming.ALL, Claiming.ALL),
        (pause, Claiming.NOTHING, Claiming.NOTHING),
        (stop, Claiming.NOTHING, Claiming.NOTHING),
        (forget, Claiming.NOTHING, Claiming.NOTHING),
        (be_busy, Claiming.NOTHING, Claiming.ALL),
        (fail, Claiming.NOTHING, Claiming.PROBE),
        (fail_and_probe, Claiming.NOTHING, Claiming.NOTHING),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_the_ticker_may_claim(loop: VirtualLoop, change: Change, soon: Claiming, later: Claiming) -> None:
    bench = Bench(loop, a_plan(1))
    change(bench)
    admission = bench.state.lines[0].admission
    assert [admission.claiming(now_us) for now_us in (SOON_US, LATER_US)] == [soon, later]


@pytest.mark.parametrize("change", [nothing, pause, stop], ids=lambda change: change.__name__)
def test_a_mailing_is_open_while_it_may_send_and_the_engine_too(loop: VirtualLoop, change: Change) -> None:
    bench = Bench(loop, a_plan(1), a_plan(2, paused=True), a_plan(3, start_us=LATER_US))
    change(bench)
    found = {entry.plan.mailing_id: bench.state.lines[0].admission.is_open(entry, SOON_US) for entry in bench.book}
    assert found == {1: change is nothing, 2: False, 3: False}


def test_the_first_mailing_with_a_token_is_chosen_and_its_token_is_used(loop: VirtualLoop) -> None:
    bench = Bench(loop, a_plan(1, rate_limit=1), a_plan(2, rate_limit=1))

    async def choose() -> list[int | None]:
        admission = bench.state.lines[0].admission
        lanes = {1: [a_claim(1)], 2: [a_claim(2, 2)]}
        chosen = [admission.choose([1, 2], lanes, SOON_US) for _ in range(3)]
        assert not admission.is_unlimited(1)
        assert admission.why_paced([1, 2]) == "the mailings' rates"
        assert chosen[2][1] is not None
        assert chosen[2][1] > SOON_US
        return [mailing_id for mailing_id, _ in chosen]

    assert loop.run_until_complete(choose()) == [1, 2, None]
