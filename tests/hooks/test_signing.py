"""Signatures, checked by the package that receivers use."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from engine.hooks.signing import new_secret, signed_headers

BODY = json.dumps({"type": "mailing.started", "data": {"name": "Ёлка"}}).encode()


def test_what_is_signed_is_verified() -> None:
    secret = new_secret()
    headers = signed_headers(secret, "evt_7", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY.decode(), headers) == json.loads(BODY)


@pytest.mark.parametrize("change", ["body", "id", "time", "secret", "old"])
def test_what_was_changed_is_not(change: str) -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers(secret, "evt_7", now - 3600 if change == "old" else now, BODY)
    body = BODY + b" " if change == "body" else BODY
    headers |= {"webhook-id": "evt_8"} if change == "id" else {}
    headers |= {"webhook-timestamp": str(now + 1)} if change == "time" else {}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret() if change == "secret" else secret).verify(body.decode(), headers)


def test_secrets_are_long_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in secrets} == {32}
