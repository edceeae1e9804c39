"""What an attack does to those who did nothing: they wait, memory grows, sending slows down, the log fills.

The attackers are a process of their own, at a low priority: in the real world they have machines of their own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from common import process
from tests.abuse.attack import Attack, Seen
from tests.abuse.target import Attacked, Target

WAIT_SECONDS_MAX: Final = 0.5
MEMORY_MIB_MAX: Final = 64.0
SPEED_SHARE_MIN: Final = 0.8
LOG_LINES_MAX: Final = 1.0
"""A second, of the engine's log. The gateway's has a line for each request, by design."""

CALM_SECONDS: Final = 3.0
RECOVER_SECONDS: Final = 90.0
"""Longer than this nobody waits for the service to come back."""
_ATTACK_MARGIN_SECONDS: Final = 120.0
_PROBE_PAUSE_SECONDS: Final = 0.02
_CALM_ANSWERS: Final = 10
_NICENESS: Final = 10


@dataclass(slots=True)
class Row:
    """One attack, and what it did."""

    name: str
    title: str
    gateway_wait_seconds: float
    engine_wait_seconds: float
    memory_mib: float | None
    speed_share: float | None
    log_lines: float | None
    """A second."""
    note: str
    is_note_bad: bool = False
    memory_mib_by_design: float = 0.0
    broken: list[str] = field(default_factory=list)
    """The columns whose floor is broken."""

    def judge(self) -> None:
        """Fill in ``broken``."""
        checks = {
            "gateway": self.gateway_wait_seconds >= WAIT_SECONDS_MAX,
            "engine": self.engine_wait_seconds >= WAIT_SECONDS_MAX,
            "memory": self.memory_mib is not None and self.memory_mib - self.memory_mib_by_design >= MEMORY_MIB_MAX,
            "speed": self.speed_share is not None and round(self.speed_share, 2) < SPEED_SHARE_MIN,
            "log": self.log_lines is not None and self.log_lines > LOG_LINES_MAX,
            "note": self.is_note_bad,
        }
        self.broken = [column for column, is_broken in checks.items() if is_broken]


class Probe(threading.Thread):
    """A stranger who asks one of the ``/healthz`` again and again, each time on a new connection."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._worst_seconds = 0.0
        self._began: float | None = None
        self._calm = 0
        self._ended = threading.Event()

    def forget(self) -> None:
        """Begin anew."""
        self._worst_seconds = 0.0
        self._calm = 0

    @property
    def worst_seconds(self) -> float:
        """The longest wait so far, the one that goes on included."""
        began = self._began
        return max(self._worst_seconds, 0.0 if began is None else time.monotonic() - began)

    @property
    def is_calm(self) -> bool:
        """Whether the latest answers came in time."""
        return self._calm >= _CALM_ANSWERS

    def run(self) -> None:
        """See ``threading.Thread``."""
        while not self._ended.wait(_PROBE_PAUSE_SECONDS):
            self._began = began = time.monotonic()
            # Whoever is turned away tries again: that is a wait too.
            while not self._ask() and not self._ended.wait(_PROBE_PAUSE_SECONDS):
                pass
            seconds = time.monotonic() - began
            self._worst_seconds, self._began = max(self._worst_seconds, seconds), None
            self._calm = self._calm + 1 if seconds < WAIT_SECONDS_MAX else 0

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _ask(self) -> bool:
        host, _, port = self._address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=RECOVER_SECONDS) as connection:
                connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


class Memory:
    """How much more memory processes hold at most than in the beginning (resident; Linux)."""

    def __init__(self, pids: Sequence[int | None]) -> None:
        self._pids = [pid for pid in pids if pid is not None]
        self._before = 0.0

    def begin(self) -> None:
        """From now on."""
        for pid in self._pids:
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak so far is forgotten
        self._before = self._sum("VmRSS")

    def added_mib(self) -> float | None:
        """The sum of the peaks since; ``None``: nobody lets us see it."""
        return max(0.0, self._sum("VmHWM") - self._before) if self._pids else None

    def _sum(self, name: str) -> float:
        total = 0
        for pid in self._pids:
            with suppress(OSError):
                found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
                total += int(found[1]) if found else 0
        return total / 1024


class Measuring:
    """Runs attacks, one after the other, and measures each."""

    def __init__(self, attacked: Attacked) -> None:
        self._attacked, target = attacked, attacked.target
        self._probes = (Probe(target.http), Probe(target.metrics))
        self._memory = Memory((target.engine_pid, target.gateway_pid))

    def __enter__(self) -> Measuring:
        for probe in self._probes:
            probe.start()
        return self

    def __exit__(self, *_: object) -> None:
        for probe in self._probes:
            probe.end()

    def measure(self, attack: Attack, seconds: float) -> Row:
        """Attack for so long (some attacks are over sooner), wait until all is calm again, and say what was seen."""
        self._attacked.keep_busy(2 * (seconds + CALM_SECONDS))
        usual = self._usual_rate()
        self._memory.begin()
        for probe in self._probes:
            probe.forget()
        sent, lines, began = self._sent(), self._log_lines(), time.monotonic()
        seen = carry_out(attack, self._attacked.target, seconds)
        while time.monotonic() - began < seconds:
            time.sleep(0.05)
        self._recover()
        took, gone = time.monotonic() - began, self._sent() - sent
        row = Row(
            name=attack.name,
            title=attack.title,
            gateway_wait_seconds=self._probes[0].worst_seconds,
            engine_wait_seconds=self._probes[1].worst_seconds,
            memory_mib=self._memory.added_mib(),
            speed_share=gone / took / usual if usual else None,
            log_lines=None if self._attacked.target.engine_log is None else (self._log_lines() - lines) / took,
            note=seen.note,
            is_note_bad=seen.is_bad,
            memory_mib_by_design=attack.memory_mib,
        )
        row.judge()
        return row

    def _usual_rate(self) -> float:
        """Texts a second while nobody attacks; 0: nothing is being sent."""
        before, began = self._sent(), time.monotonic()
        time.sleep(CALM_SECONDS)
        return (self._sent() - before) / (time.monotonic() - began)

    def _recover(self) -> None:
        deadline = time.monotonic() + RECOVER_SECONDS
        for probe in self._probes:
            while not probe.is_calm and time.monotonic() < deadline:
                time.sleep(0.05)

    def _sent(self) -> int:
        return self._attacked.sent() if self._attacked.sent is not None else 0

    def _log_lines(self) -> int:
        log = self._attacked.target.engine_log
        return 0 if log is None else log.read_bytes().count(b"\n")


def carry_out(attack: Attack, target: Target, seconds: float) -> Seen:
    """Run the attackers in a process of their own; they are ended when they don't come back."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    attackers = context.Process(target=_attackers, args=(attack.run, target, seconds, theirs), daemon=True)
    attackers.start()
    theirs.close()
    try:
        if not ours.poll(seconds + _ATTACK_MARGIN_SECONDS):
            return Seen("the attackers did not come back in time")
        seen: Seen = ours.recv()
        return seen
    except EOFError:
        return Seen("the attackers' process failed, see above", is_bad=True)
    finally:
        attackers.kill()
        attackers.join()
        ours.close()


def _attackers(run: Callable[[Target, float], Any], target: Target, seconds: float, answer: Any) -> None:
    os.nice(_NICENESS)
    process.tune()  # as many sockets as they let us
    answer.send(asyncio.run(run(target, seconds)))
