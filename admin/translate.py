"""What only the panel shows, from the contract to JSON; the rest is ``gateway.translate``'s."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from common.contract.values import Json, optional_time_json, time_json, words
from gateway.translate import counts_json, engine_json
from gateway.translate.engine import breaker_json
from gateway.translate.mailings import AUDIENCE_STATES, STATES, quantiles_json, timeline_json
from mailing.v1 import client_service_pb2, overview_pb2

WARNINGS: Final = words(overview_pb2.WarningCode.DESCRIPTOR)


def facets_json(facets: client_service_pb2.ListClientFacetsResponse) -> Json:
    """The values that clients have, the most frequent first."""
    return {
        "tags": _facet_json(facets.tags),
        "phone_codes": _facet_json(facets.phone_codes),
        "time_zones": _facet_json(facets.time_zones),
        "client_count": facets.client_count,
    }


def overview_json(overview: overview_pb2.Overview) -> Json:
    """All that the dashboard shows."""
    return {
        "time": time_json(overview.time),
        "mailings": [_brief_json(each) for each in overview.mailings],
        "mailings_total": overview.mailings_total,
        "message_counts": counts_json(overview.message_counts),
        "last_hour": timeline_json(overview.last_hour),
        "last_day": timeline_json(overview.last_day),
        "provider": _provider_json(overview.provider),
        "engine": engine_json(overview.engine),
        "warnings": [_warning_json(each) for each in overview.warnings],
        "rate_per_second": overview.rate_per_second,
    }


def _facet_json(facets: Iterable[client_service_pb2.ClientFacet]) -> list[Json]:
    return [{"value": each.value, "client_count": each.client_count} for each in facets]


def _brief_json(brief: overview_pb2.MailingBrief) -> Json:
    return {
        "mailing_id": brief.mailing_id,
        "text": brief.text,
        "state": STATES.get(brief.state),
        "audience_state": AUDIENCE_STATES.get(brief.audience_state),
        "start_time": time_json(brief.start_time),
        "end_time": time_json(brief.end_time),
        "message_counts": counts_json(brief.message_counts),
        "progress": brief.progress,
        "rate_per_second": brief.rate_per_second,
        "estimated_completion_time": optional_time_json(brief, "estimated_completion_time"),
        "next_open_time": optional_time_json(brief, "next_open_time"),
        "missed": brief.missed if brief.HasField("missed") else None,
    }


def _provider_json(provider: overview_pb2.ProviderHealth) -> Json:
    return {
        "breaker": breaker_json(provider.breaker),
        "window_seconds": provider.window_seconds,
        "calls": provider.calls,
        "errors": provider.errors,
        "error_share": provider.error_share if provider.HasField("error_share") else None,
        "latency_seconds": quantiles_json(provider.latency_seconds),
    }


def _warning_json(warning: overview_pb2.Warning) -> Json:
    return {
        "code": WARNINGS.get(warning.code),
        "detail": warning.detail,
        "mailing_id": warning.mailing_id if warning.HasField("mailing_id") else None,
        "missed": warning.missed,
        "name": warning.name or None,
    }
