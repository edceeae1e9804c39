"""Campaigns of new inputs; each raises AssertionError at the first that breaks its invariant."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from scripts.bench.service_process import ROOT, Running, announced_url, errors_in, process, service
from tests.fuzz import rpc
from tests.fuzz.corpus import keep
from tests.fuzz.edges import EDGES, Edge
from tests.fuzz.rest import Rest, Service

_TOKEN: Final = "x"
"""What ``service`` gives the engine as the provider's token."""
_STEPS_A_RUN: Final = 20
_BATCH: Final = 2_000
_PROGRESS_SECONDS: Final = 10.0


def _settings(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def edge_campaign(edge: Edge, seconds: float, seed: int) -> int:
    """New inputs for one edge, for so long; one that breaks it is kept. Returns how many were tried."""
    tried, last, deadline = 0, b"", time.monotonic() + seconds

    def check(data: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, data
        edge.check(data)

    while time.monotonic() < deadline:
        try:
            seeded(seed)(_settings(_BATCH)(given(edge.inputs)(check)))()
        except BaseException:
            print(f"{edge.name}: kept as {keep(edge.name, last)}", flush=True)  # Hypothesis ends with the smallest
            raise
        seed += 1
    return tried


def edges_campaign(seconds: float, seed: int) -> None:
    """All edges, each for its part of the time."""
    for edge in EDGES:
        tried = edge_campaign(edge, seconds / len(EDGES), seed)
        print(f"{edge.name:18} {tried:>9,} inputs, none breaks it", flush=True)


@dataclass(frozen=True)
class Target:
    """A running service and its provider."""

    own: Running
    provider: str
    """``host:port``."""

    def check_logs(self) -> None:
        """No process has logged an error."""
        problems = [
            f"{log.name}: {line}" for log in (self.own.engine_log, self.own.gateway_log) for line in errors_in(log)
        ]
        assert not problems, "\n".join(problems[:20])


@contextmanager
def running() -> Iterator[Target]:
    """Engine, gateway and a sandbox that takes every text, as real processes."""
    sandbox = [
        sys.executable,
        str(ROOT / "scripts" / "sandbox_provider.py"),
        "--listen",
        "127.0.0.1:0",
        "--token",
        _TOKEN,
    ]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        log = Path(folder, "sandbox.log")
        with process(sandbox, log, {}) as started:
            url = announced_url(started, log)
            with service(url) as own:
                yield Target(own, url.removeprefix("http://").partition("/")[0])


def rpc_campaign(target: Target, *, examples: int, seed: int) -> int:
    """So many requests to each method; returns how many were made."""
    with grpc.insecure_channel(target.own.grpc) as channel:
        return sum(_calls(channel, target.own.token, method, examples, seed) for method in rpc.methods())


def _calls(channel: grpc.Channel, token: str, method: Any, examples: int, seed: int) -> int:
    calls = 0

    def check(payload: bytes) -> None:
        nonlocal calls
        calls += 1
        code = rpc.call(channel, token, method, payload)
        assert code not in rpc.FORBIDDEN, f"{method.full_name}: {code} for {payload!r}"

    seeded(seed)(_settings(examples)(given(rpc.payloads(method))(check)))()
    return calls


def rest_campaign(target: Target, *, runs: int, seed: int) -> int:
    """So many runs of the machine beside its model; returns how many steps were taken."""
    steps = 0

    class Counted(Service):
        """It counts."""

        def check_invariants(self, *args: Any, **options: Any) -> None:
            """Once a step."""
            nonlocal steps
            steps += 1
            super().check_invariants(*args, **options)

    Service.rest = Rest(target.own.address, target.own.token, target.provider)
    machine = seeded(seed)(Counted)
    run_state_machine_as_test(
        machine, settings=_settings(runs, stateful_step_count=_STEPS_A_RUN, phases=[Phase.generate])
    )
    return steps
