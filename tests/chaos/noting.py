"""An engine that notes each call at the moment in which it begins: ``python -m tests.chaos.noting``.

Nothing else of the engine runs between its last check and that moment, and whoever forbids a call is answered later. So
a call that is noted after the answer has begun after it, however busy the machine is; when it arrives says less.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import engine.provider.file
from engine.domain.outcome import Answer
from engine.ports import Request
from engine.program import main
from engine.provider.fbrq import FbrqProvider
from tests.chaos.arrivals import Call

PROGRAM = ("-m", "tests.chaos.noting")
VARIABLE = "CHAOS_CALLS"
"""Names the file that is written to, one line a call."""


class _Noting(FbrqProvider):
    _file = -1

    async def send(self, request: Request) -> Answer:
        line = json.dumps([time.time(), request.message_id, request.phone_number, request.text]) + "\n"
        os.write(self._file, line.encode())
        return await super().send(request)


def noted(path: Path, engine: int) -> list[Call]:
    """All calls that this engine has begun."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [Call(at, engine, message_id, int(phone), text) for at, message_id, phone, text in rows]


if __name__ == "__main__":
    _Noting._file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    engine.provider.file.FbrqProvider = _Noting  # type: ignore[attr-defined]
    sys.exit(main())
