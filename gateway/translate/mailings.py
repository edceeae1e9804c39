"""Mailings and their statistics between JSON and the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from common.contract.values import Json, numbers, optional_time_json, time_json, time_proto, words
from mailing.v1 import mailing_pb2, mailing_service_pb2, mailing_stats_pb2

STATES: Final = words(mailing_pb2.MailingState.DESCRIPTOR)
AUDIENCE_STATES: Final = words(mailing_pb2.AudienceState.DESCRIPTOR)
ON_UNCERTAIN: Final = words(mailing_pb2.OnUncertain.DESCRIPTOR)
ENCODINGS: Final = words(mailing_service_pb2.TextEncoding.DESCRIPTOR)
_STATE_NUMBERS: Final = numbers(STATES)
_ON_UNCERTAIN_NUMBERS: Final = numbers(ON_UNCERTAIN)
_PLAIN: Final = ("text", "start_time", "end_time", "rate_limit", "on_uncertain")
_NESTED: Final = {"filter": ("tags", "phone_codes"), "local_hours": ("from", "to")}


def mailing_json(mailing: mailing_pb2.Mailing) -> Json:
    """A mailing as REST shows it."""
    return {
        "id": mailing.id,
        "text": mailing.text,
        "filter": {"tags": list(mailing.filter.tags), "phone_codes": list(mailing.filter.phone_codes)},
        "start_time": optional_time_json(mailing, "start_time"),
        "end_time": optional_time_json(mailing, "end_time"),
        "local_hours": _hours_json(mailing.local_hours) if mailing.HasField("local_hours") else None,
        "rate_limit": mailing.rate_limit if mailing.HasField("rate_limit") else None,
        "on_uncertain": ON_UNCERTAIN.get(mailing.on_uncertain),
        "state": STATES.get(mailing.state),
        "audience_state": AUDIENCE_STATES.get(mailing.audience_state),
        "segments": mailing.segments,
        "message_counts": counts_json(mailing.message_counts),
        "create_time": time_json(mailing.create_time),
        "update_time": time_json(mailing.update_time),
    }


def mailing_list_json(page: mailing_service_pb2.ListMailingsResponse) -> Json:
    """A page of mailings."""
    return {
        "mailings": [mailing_json(each) for each in page.mailings],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def counts_json(counts: mailing_pb2.MessageCounts) -> Json:
    """Messages by status."""
    return {"pending": counts.pending, "sent": counts.sent, "not_sent": counts.not_sent, "total": counts.total}


def forecast_json(forecast: mailing_stats_pb2.Forecast) -> Json:
    """When a mailing will be through."""
    return {
        "completion_time": optional_time_json(forecast, "completion_time"),
        "missed": forecast.missed,
        "rate_per_second": forecast.rate_per_second,
        "next_open_time": optional_time_json(forecast, "next_open_time"),
    }


def preview_json(preview: mailing_service_pb2.PreviewMailingResponse) -> Json:
    """What a mailing would be."""
    return {
        "audience": preview.audience,
        "segments": preview.segments,
        "forecast": forecast_json(preview.forecast),
        "encoding": ENCODINGS.get(preview.encoding),
        "units": preview.units,
    }


def stats_json(stats: mailing_stats_pb2.MailingStats) -> Json:
    """Detailed statistics of one mailing."""
    reasons, attempts = stats.reasons, stats.attempts
    return {
        "mailing_id": stats.mailing_id,
        "message_counts": counts_json(stats.message_counts),
        "reasons": {
            "expired": reasons.expired,
            "rejected": reasons.rejected,
            "cancelled": reasons.cancelled,
            "uncertain": reasons.uncertain,
        },
        "progress": stats.progress,
        "rate_per_second": stats.rate_per_second,
        "estimated_completion_time": optional_time_json(stats, "estimated_completion_time"),
        "forecast": forecast_json(stats.forecast),
        "attempts": {
            "total": attempts.total,
            "retried": attempts.retried,
            "by_http_status": {str(status): count for status, count in sorted(attempts.by_http_status.items())},
        },
        "latency_seconds": quantiles_json(stats.latency_seconds),
        "by_phone_code": {key: counts_json(counts) for key, counts in stats.by_phone_code.items()},
        "by_tag": {key: counts_json(counts) for key, counts in stats.by_tag.items()},
        "by_time_zone": {key: counts_json(counts) for key, counts in stats.by_time_zone.items()},
        "timeline": timeline_json(stats.timeline),
        "text_versions": [
            {"version": each.version, "create_time": time_json(each.create_time), "text": each.text, "sent": each.sent}
            for each in stats.text_versions
        ],
    }


def timeline_json(points: Iterable[mailing_stats_pb2.TimelinePoint]) -> list[Json]:
    """What became of messages, by time."""
    return [
        {"time": time_json(point.time), "sent": point.sent, "not_sent": point.not_sent, "deferred": point.deferred}
        for point in points
    ]


def progress_json(progress: mailing_stats_pb2.MailingProgress) -> Json:
    """Where a mailing is, for an event of the stream."""
    return {
        "mailing_id": progress.mailing_id,
        "time": time_json(progress.time),
        "state": STATES.get(progress.state),
        "audience_state": AUDIENCE_STATES.get(progress.audience_state),
        "message_counts": counts_json(progress.message_counts),
        "progress": progress.progress,
        "rate_per_second": progress.rate_per_second,
        "estimated_completion_time": optional_time_json(progress, "estimated_completion_time"),
        "forecast": forecast_json(progress.forecast),
    }


def mailing_proto(data: Mapping[str, Any], mailing_id: int = 0) -> mailing_pb2.Mailing:
    """A mailing as a body says it; keys that are not there, or null, are not set.

    Raises:
        ValueError: a time is none (the schema has refused such a body before).
    """
    mailing = mailing_pb2.Mailing(
        id=mailing_id,
        text=data.get("text", ""),
        rate_limit=data.get("rate_limit"),
        on_uncertain=_ON_UNCERTAIN_NUMBERS.get(data.get("on_uncertain", ""), 0),  # type: ignore[arg-type]  # a number
    )
    if "filter" in data:
        mailing.filter.tags.extend(data["filter"].get("tags", ()))
        mailing.filter.phone_codes.extend(data["filter"].get("phone_codes", ()))
    if "start_time" in data:
        mailing.start_time.CopyFrom(time_proto(data["start_time"]))
    if "end_time" in data:
        mailing.end_time.CopyFrom(time_proto(data["end_time"]))
    if data.get("local_hours") is not None:
        mailing.local_hours.CopyFrom(mailing_pb2.LocalHours(**data["local_hours"]))
    return mailing


def create_mailing_proto(
    data: Mapping[str, Any], request_id: str = "", *, validate_only: bool = False
) -> mailing_service_pb2.CreateMailingRequest:
    """Ask for a new mailing."""
    return mailing_service_pb2.CreateMailingRequest(
        mailing=mailing_proto(data), request_id=request_id, validate_only=validate_only
    )


def update_mailing_proto(
    mailing_id: int, data: Mapping[str, Any], *, replace: bool, validate_only: bool = False
) -> mailing_service_pb2.UpdateMailingRequest:
    """Ask for a change of the keys that are there (PATCH, as RFC 7396 merges), or of everything (PUT, ``replace``)."""
    return mailing_service_pb2.UpdateMailingRequest(
        mailing=mailing_proto(data, mailing_id),
        update_mask=FieldMask(paths=["*"] if replace else list(_changed(data))),
        validate_only=validate_only,
    )


def preview_mailing_proto(
    data: Mapping[str, Any], mailing_id: int | None = None
) -> mailing_service_pb2.PreviewMailingRequest:
    """Ask what a mailing would be; with ``mailing_id``, what an edit of that one would."""
    return mailing_service_pb2.PreviewMailingRequest(mailing=mailing_proto(data), mailing_id=mailing_id)


def list_mailings_proto(query: Mapping[str, Any]) -> mailing_service_pb2.ListMailingsRequest:
    """Ask for a page of mailings; the keys are those of the query's schema."""
    return mailing_service_pb2.ListMailingsRequest(
        page_size=query.get("page_size", 0),
        page_token=query.get("page_token", ""),
        state=_STATE_NUMBERS[query["state"]] if "state" in query else 0,  # type: ignore[arg-type]  # a number
    )


def _changed(data: Mapping[str, Any]) -> Iterator[str]:
    """Paths of an update mask for the keys that are there; within an object only those that it has."""
    for key in _PLAIN:
        if key in data:
            yield key
    for key, fields in _NESTED.items():
        if key not in data:
            continue
        if data[key] is None:
            yield key
        else:
            yield from (f"{key}.{field}" for field in fields if field in data[key])


def _hours_json(hours: mailing_pb2.LocalHours) -> Json:
    return {"from": getattr(hours, "from"), "to": hours.to}


def quantiles_json(quantiles: mailing_stats_pb2.LatencyQuantiles) -> Json:
    """Latencies; null: none is known."""
    return {
        "p50": quantiles.p50 if quantiles.HasField("p50") else None,
        "p95": quantiles.p95 if quantiles.HasField("p95") else None,
        "p99": quantiles.p99 if quantiles.HasField("p99") else None,
    }
