"""The engine and the audit list between JSON and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.contract.values import Json, numbers, optional_time_json, struct_json, time_json, words
from mailing.v1 import audit_pb2, engine_pb2, engine_service_pb2

SENDING_STATES: Final = words(engine_pb2.SendingState.DESCRIPTOR)
BREAKER_STATES: Final = words(engine_pb2.BreakerState.DESCRIPTOR)
ACTOR_KINDS: Final = words(audit_pb2.ActorKind.DESCRIPTOR)
_ACTOR_NUMBERS: Final = numbers(ACTOR_KINDS)
_SENDING_NUMBERS: Final = numbers(SENDING_STATES)


def engine_json(status: engine_pb2.EngineStatus) -> Json:
    """How the engine is doing."""
    return {
        "workers": status.workers,
        "queue_size": status.queue_size,
        "queue_depth": status.queue_depth,
        "in_flight": status.in_flight,
        "rate_limit": status.rate_limit if status.HasField("rate_limit") else None,
        "rate_per_second": status.rate_per_second,
        "sending": SENDING_STATES.get(status.sending),
        "breaker": breaker_json(status.breaker),
        "engines": [_instance_json(each) for each in status.engines],
        "actors": [
            {"name": each.name, "healthy": each.healthy, "restarts": each.restarts, "detail": each.detail}
            for each in status.actors
        ],
        "engine_id": status.engine_id,
    }


def breaker_json(breaker: engine_pb2.BreakerStatus) -> Json:
    """Whether the provider is called."""
    return {
        "state": BREAKER_STATES.get(breaker.state),
        "next_probe_time": optional_time_json(breaker, "next_probe_time"),
        "consecutive_failures": breaker.consecutive_failures,
        "detail": breaker.detail,
    }


def update_engine_proto(data: Mapping[str, Any]) -> engine_service_pb2.UpdateEngineRequest:
    """Ask for changes of the engine; a rate of null is no limit, as 0 is."""
    return engine_service_pb2.UpdateEngineRequest(
        workers=data.get("workers"),
        rate_limit=(data["rate_limit"] or 0) if "rate_limit" in data else None,
        sending=_SENDING_NUMBERS[data["sending"]] if "sending" in data else 0,  # type: ignore[arg-type]  # a number
    )


def audit_event_json(event: audit_pb2.AuditEvent) -> Json:
    """One change that somebody made."""
    return {
        "id": event.id,
        "time": time_json(event.time),
        "actor": event.actor,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id if event.HasField("object_id") else None,
        "detail": struct_json(event.detail),
        "peer": event.peer,
        "actor_kind": ACTOR_KINDS.get(event.actor_kind),
        "actor_id": event.actor_id if event.HasField("actor_id") else None,
    }


def audit_event_list_json(page: engine_service_pb2.ListAuditEventsResponse) -> Json:
    """A page of the audit list."""
    return {
        "audit_events": [audit_event_json(each) for each in page.audit_events],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def list_audit_events_proto(query: Mapping[str, Any]) -> engine_service_pb2.ListAuditEventsRequest:
    """Ask for a page of the audit list; the keys are those of the query's schema."""
    return engine_service_pb2.ListAuditEventsRequest(
        page_size=query.get("page_size", 0),
        page_token=query.get("page_token", ""),
        actor=query.get("actor", ""),
        object_type=query.get("object_type", ""),
        object_id=query.get("object_id"),
        actor_kind=_ACTOR_NUMBERS[query["actor_kind"]] if "actor_kind" in query else 0,  # type: ignore[arg-type]  # a number
        actor_id=query.get("actor_id"),
    )


def _instance_json(engine: engine_pb2.EngineInstance) -> Json:
    return {
        "id": engine.id,
        "name": engine.name,
        "start_time": time_json(engine.start_time),
        "heartbeat_time": time_json(engine.heartbeat_time),
        "workers": engine.workers,
        "in_flight": engine.in_flight,
    }
