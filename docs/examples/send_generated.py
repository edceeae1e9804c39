#!/usr/bin/env python3
"""Add a client, send a mailing to its tag, wait, and say what became of it: with a client that openapi-python-client
has made from the OpenAPI document (README.md beside this file)."""

import os
import time
import uuid
from datetime import UTC, datetime, timedelta

from mailing_client import AuthenticatedClient
from mailing_client.api.clients import create_client
from mailing_client.api.mailings import create_mailing, get_mailing
from mailing_client.models import AudienceFilter, ClientCreate, Mailing, MailingCreate


def main():
    """Do it. What is refused comes back as a ``Problem``, with a type of its own."""
    run = uuid.uuid4().hex[:8]
    number = f"+7918{int(run, 16) % 10_000_000:07}"
    api = AuthenticatedClient(os.environ["MAILING_HTTP_URL"], os.environ["MAILING_API_TOKEN"])
    create_client.sync(client=api, body=ClientCreate(phone_number=number, tag=run))
    now = datetime.now(UTC)
    mailing = MailingCreate(
        text="From a generated client",
        start_time=now,
        end_time=now + timedelta(hours=1),
        filter_=AudienceFilter(tags=[run]),
    )
    made = create_mailing.sync(client=api, body=mailing, idempotency_key=run)
    if not isinstance(made, Mailing):
        raise SystemExit(f"refused: {made}")
    while made.audience_state != "ready" or made.message_counts.pending:
        time.sleep(0.2)
        made = get_mailing.sync(made.id, client=api)
    print(f"mailing {made.id}: {made.message_counts.sent} sent, {made.message_counts.not_sent} not sent")


if __name__ == "__main__":
    main()
