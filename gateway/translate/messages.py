"""Messages and their attempts, from the contract to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.contract.values import Json, numbers, optional_time_json, time_json, words
from mailing.v1 import message_pb2, message_service_pb2

STATUSES: Final = words(message_pb2.MessageStatus.DESCRIPTOR)
REASONS: Final = words(message_pb2.NotSentReason.DESCRIPTOR)
OUTCOMES: Final = words(message_pb2.AttemptOutcome.DESCRIPTOR)
_STATUS_NUMBERS: Final = numbers(STATUSES)
_REASON_NUMBERS: Final = numbers(REASONS)


def message_json(message: message_pb2.Message) -> Json:
    """A message as lists show it, without its attempts."""
    return {
        "id": message.id,
        "mailing_id": message.mailing_id,
        "client_id": message.client_id if message.HasField("client_id") else None,
        "phone_number": message.phone_number or None,
        "status": STATUSES.get(message.status),
        "reason": REASONS.get(message.reason),
        "attempts": message.attempts,
        "create_time": time_json(message.create_time),
        "sent_time": optional_time_json(message, "sent_time"),
        "final_time": optional_time_json(message, "final_time"),
        "next_attempt_time": optional_time_json(message, "next_attempt_time"),
        "text_version": message.text_version if message.HasField("text_version") else None,
        "last_error": _error_json(message.last_error) if message.HasField("last_error") else None,
    }


def message_detail_json(message: message_pb2.Message) -> Json:
    """One message with its text and its attempts, the oldest first."""
    attempts = [attempt_json(each) for each in message.attempt_history]
    return {**message_json(message), "text": message.text, "attempt_history": attempts}


def attempt_json(attempt: message_pb2.Attempt) -> Json:
    """One call to the provider."""
    return {
        "number": attempt.number,
        "start_time": optional_time_json(attempt, "start_time"),
        "end_time": optional_time_json(attempt, "end_time"),
        "http_status": attempt.http_status if attempt.HasField("http_status") else None,
        "detail": attempt.detail,
        "outcome": OUTCOMES.get(attempt.outcome),
    }


def message_list_json(page: message_service_pb2.ListMessagesResponse) -> Json:
    """A page of messages."""
    return {
        "messages": [message_json(each) for each in page.messages],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def list_messages_proto(
    query: Mapping[str, Any], mailing_id: int | None = None
) -> message_service_pb2.ListMessagesRequest:
    """Ask for a page of messages; ``mailing_id`` is the path's, where the path has one."""
    return message_service_pb2.ListMessagesRequest(
        page_size=query.get("page_size", 0),
        page_token=query.get("page_token", ""),
        mailing_id=query.get("mailing_id") if mailing_id is None else mailing_id,
        client_id=query.get("client_id"),
        status=_STATUS_NUMBERS[query["status"]] if "status" in query else 0,  # type: ignore[arg-type]  # a number
        reason=_REASON_NUMBERS[query["reason"]] if "reason" in query else 0,  # type: ignore[arg-type]  # a number
    )


def _error_json(error: message_pb2.MessageError) -> Json:
    return {"http_status": error.http_status if error.HasField("http_status") else None, "detail": error.detail}
