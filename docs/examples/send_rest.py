#!/usr/bin/env python3
"""Add a client, send a mailing to its tag, wait, and say what became of it: over REST, with the standard library."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta

API = os.environ["MAILING_HTTP_URL"] + "/api/v1"
TOKEN = os.environ["MAILING_API_TOKEN"]


def call(method, path, body=None, **headers):
    """Call a path below the API; returns the answer's JSON. A problem says in ``errors`` what is wrong."""
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(API + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from None


def main():
    """Do it."""
    run = uuid.uuid4().hex[:8]
    number = f"+7916{int(run, 16) % 10_000_000:07}"
    call("POST", "/clients", {"phone_number": number, "tag": run})
    now = datetime.now(UTC)
    mailing = {
        "text": "From Python, over REST",
        "filter": {"tags": [run]},
        "start_time": now.isoformat(),
        "end_time": (now + timedelta(hours=1)).isoformat(),
    }
    # Repeated with the same key, this answers as it did the first time, and registers nothing.
    made = call("POST", "/mailings", mailing, **{"Idempotency-Key": run})
    while True:
        made = call("GET", f"/mailings/{made['id']}")
        counts = made["message_counts"]
        if made["audience_state"] == "ready" and counts["pending"] == 0:
            break
        time.sleep(0.2)
    print(f"mailing {made['id']}: {counts['sent']} sent, {counts['not_sent']} not sent")


if __name__ == "__main__":
    main()
