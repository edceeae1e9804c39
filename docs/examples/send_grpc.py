#!/usr/bin/env python3
"""Add a client, send a mailing to its tag, follow it, and say what became of it: over gRPC, by the stubs."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import grpc

from mailing.v1 import (
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
)

TOKEN = (("authorization", f"Bearer {os.environ['MAILING_API_TOKEN']}"),)


def main():
    """Do it. Each call has a deadline: without one it may wait for ever."""
    run = uuid.uuid4().hex[:8]
    number = f"+7917{int(run, 16) % 10_000_000:07}"
    with grpc.insecure_channel(os.environ["MAILING_ENGINE_TARGET"]) as channel:
        clients = client_service_pb2_grpc.ClientServiceStub(channel)
        mailings = mailing_service_pb2_grpc.MailingServiceStub(channel)
        client = client_pb2.Client(phone_number=number, tag=run)
        clients.CreateClient(client_service_pb2.CreateClientRequest(client=client), timeout=10, metadata=TOKEN)
        now = datetime.now(UTC)
        mailing = mailing_pb2.Mailing(
            text="From Python, over gRPC",
            filter=mailing_pb2.AudienceFilter(tags=[run]),
            start_time=now,
            end_time=now + timedelta(hours=1),
        )
        # Repeated with the same id, this answers as it did the first time, and registers nothing.
        request = mailing_service_pb2.CreateMailingRequest(mailing=mailing, request_id=str(uuid.uuid4()))
        made = mailings.CreateMailing(request, timeout=10, metadata=TOKEN)
        watch = mailing_service_pb2.WatchMailingRequest(mailing_id=made.id)
        for progress in mailings.WatchMailing(watch, timeout=60, metadata=TOKEN):
            counts = progress.message_counts
        print(f"mailing {made.id}: {counts.sent} sent, {counts.not_sent} not sent")


if __name__ == "__main__":
    main()
