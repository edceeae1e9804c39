"""``scripts/run --providers 2`` with everything real: one provider takes over from the other.

Nobody gets a text from both, nor from the second one while the first may have taken it.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from scripts.processes import get
from tests.patience import PATIENT_SECONDS
from tests.scripts.launched import Launched, up

TEXTS: Final = 200
QUICK: Final = {"MAILING_RETRY_BASE_SECONDS": "0.1", "MAILING_RETRY_MAX_SECONDS": "0.5"}


class Service:
    """What a person can do with it."""

    def __init__(self, started: Launched) -> None:
        self.sandbox = printed(started, r"(http://\S+)/  \(sandbox")
        self.api = printed(started, r"(http://\S+)/docs/")
        self.token = printed(started, r"(mlt_\S+)")

    def sent(self, method: str, url: str, body: Any, kind: str = "application/json") -> Any:
        """A request with a body, which must go well; the answer's JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            request, timeout=PATIENT_SECONDS
        ) as answer:
            return json.loads(answer.read())

    def asked(self, url: str) -> Any:
        """The answer's JSON."""
        status, answer = get(url, token=self.token)
        assert status == 200, answer
        return json.loads(answer)

    def accepted(self) -> dict[str, int]:
        """How many messages each provider accepted."""
        providers = self.asked(f"{self.sandbox}/sandbox/providers")["providers"]
        return {each["name"]: each["stats"]["accepted_ids"] for each in providers}

    def mailing(self) -> int:
        """Register one for everyone; its id."""
        times = {"start_time": datetime.now(UTC), "end_time": datetime.now(UTC) + timedelta(hours=1)}
        body = {"text": "x", **{name: value.isoformat() for name, value in times.items()}}
        return int(self.sent("POST", f"{self.api}/mailings", body)["id"])

    def sent_count(self, mailing: int) -> int:
        return int(self.asked(f"{self.api}/mailings/{mailing}")["message_counts"]["sent"])


def printed(started: Launched, pattern: str) -> str:
    found = re.search(pattern, started.text())
    assert found
    return found[1]


def until(condition: Callable[[], bool], limit_seconds: float = 2 * PATIENT_SECONDS) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_takes_over_from_the_other_and_nobody_gets_a_text_from_both(tmp_path: Path) -> None:
    with up(tmp_path, "--providers", "2", **QUICK) as started:
        service = Service(started)
        rows = "phone_number\n" + "\n".join(f"7916{number:07}" for number in range(TEXTS))
        service.sent("POST", f"{service.api}/clients/import", rows.encode(), "text/csv")
        first = service.mailing()
        until(lambda: service.sent_count(first) == TEXTS)
        assert service.accepted() == {"alpha": TEXTS, "beta": 0}
        # Some calls leave nobody knowing what became of the text, the others certainly fail.
        faults = {"share_reset": 0.3, "share_5xx": 0.7}
        service.sent("PATCH", f"{service.sandbox}/sandbox/faults", faults)
        second = service.mailing()
        until(lambda: service.accepted()["beta"] > 0)
        until(lambda: service.sent_count(second) > TEXTS // 2)
        service.sent("PATCH", f"{service.sandbox}/sandbox/faults", {"share_reset": 0, "share_5xx": 0})
        until(lambda: service.sent_count(second) == TEXTS)
        assert sum(service.accepted().values()) == 2 * TEXTS
        assert service.asked(f"{service.sandbox}/sandbox/providers")["accepted_by_two"]["count"] == 0
        known = service.asked(f"{service.sandbox}/sandbox/conversations?limit=1000")["conversations"]
        calls = [
            [(call["provider"], call["answer"]) for call in message["calls"]]
            for each in known
            for message in each["messages"]
        ]
        unknown = [each for each in calls if ("alpha", "reset") in each]
        assert unknown
        assert not any(provider == "beta" for each in unknown for provider, _ in each)
