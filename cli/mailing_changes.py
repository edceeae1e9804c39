"""What `mailing mailing edit` changes, and its update mask."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.failures import UsageFailure
from cli.values import enum_number, local_hours, moment
from mailing.v1.mailing_pb2 import AudienceMode, Mailing, MessageCondition
from mailing.v1.message_pb2 import DeliveryFilter, MessageStatus, NotSentReason


def messages_condition(
    mailing_id: int | None, statuses: list[str] | None, reasons: list[str] | None, delivery: list[str] | None
) -> MessageCondition | None:
    """What --messages-of and its options say; ``None``: nothing."""
    if mailing_id is None:
        if statuses or reasons or delivery:
            raise UsageFailure("--messages-status, --messages-reason and --messages-delivery go with --messages-of")
        return None
    return MessageCondition(
        mailing_id=mailing_id,
        statuses=[
            MessageStatus.ValueType(enum_number("--messages-status", each, "MESSAGE_STATUS_", MessageStatus.keys()))
            for each in statuses or ()
        ],
        reasons=[
            NotSentReason.ValueType(enum_number("--messages-reason", each, "NOT_SENT_REASON_", NotSentReason.keys()))
            for each in reasons or ()
        ],
        delivery=[
            DeliveryFilter.ValueType(
                enum_number("--messages-delivery", each, "DELIVERY_FILTER_", DeliveryFilter.keys())
            )
            for each in delivery or ()
        ],
    )


def audience_mode(word: str | None) -> AudienceMode.ValueType:
    """What --audience says; of nothing: unspecified."""
    return AudienceMode.ValueType(enum_number("--audience", word, "AUDIENCE_MODE_", AudienceMode.keys()))


def edit_times(changed: Mailing, start: str | None, end: str | None) -> list[str]:
    """Set the times that are given; returns their paths."""
    base = datetime.now(UTC)
    paths = []
    if start is not None:
        base = moment("--start", start, base)
        changed.start_time.FromDatetime(base)
        paths.append("start_time")
    if end is not None:
        changed.end_time.FromDatetime(moment("--end", end, base))
        paths.append("end_time")
    return paths


def edit_wish(changed: Mailing, provider: str | None, sender: str | None) -> list[str]:
    """Set the provider and the sender that are given, an empty one to nothing; returns their paths."""
    given = {"provider": provider, "sender": sender}
    for path, name in given.items():
        if name:
            setattr(changed, path, name)
    return [path for path, name in given.items() if name is not None]


def edit_pace(changed: Mailing, hours: str | None, rate: float | None, budget: float | None) -> list[str]:
    """Set the hours, the rate and the budget that are given; returns their paths."""
    paths = []
    if hours is not None:
        if hours != "any":
            changed.local_hours.CopyFrom(local_hours(hours))
        paths.append("local_hours")
    if rate is not None:
        if rate:
            changed.rate_limit = rate
        paths.append("rate_limit")
    if budget is not None:
        if budget:
            changed.budget = budget
        paths.append("budget")
    return paths
