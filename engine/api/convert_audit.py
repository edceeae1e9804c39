"""The audit list between rows and messages of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from common.error_codes import ErrorCode
from engine.api.by_name import timestamp
from engine.api.convert import micros, require_text
from engine.domain.access import ActorKind
from engine.domain.errors import FieldError, InvalidInput
from engine.store.rows import AuditQuery, AuditRow
from mailing.v1 import audit_pb2, engine_service_pb2


def audit_query(request: engine_service_pb2.ListAuditEventsRequest) -> AuditQuery:
    """The filters of the audit list. Raises InvalidInput for what can't be text, or is no kind of caller."""
    require_text(request, "actor", "object_type", "action")
    if request.actor_kind not in ActorKind._value2member_map_:
        raise InvalidInput([FieldError("actor_kind", ErrorCode.UNKNOWN_NUMBER.format(number=request.actor_kind))])
    kind = ActorKind(request.actor_kind) or None
    if kind is None and request.HasField("actor_id"):
        raise InvalidInput([FieldError("actor_kind", ErrorCode.NO_ACTOR_KIND.format())])
    return AuditQuery(
        actor=request.actor or None,
        actor_kind=kind,
        actor_id=request.actor_id if request.HasField("actor_id") else None,
        object_type=request.object_type or None,
        object_id=request.object_id if request.HasField("object_id") else None,
        action=request.action or None,
        since_us=micros(request.since_time) if request.HasField("since_time") else None,
        until_us=micros(request.until_time) if request.HasField("until_time") else None,
    )


def actor_kind_number(kind: ActorKind) -> audit_pb2.ActorKind.ValueType:
    """The contract's number for a kind of caller: the same."""
    return cast("audit_pb2.ActorKind.ValueType", int(kind))


def audit_message(row: AuditRow) -> audit_pb2.AuditEvent:
    """An audit event as the API shows it."""
    event = audit_pb2.AuditEvent(
        id=row.id,
        time=timestamp(row.time_us),
        actor=row.actor,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        peer=row.peer,
        actor_kind=actor_kind_number(row.actor_kind),
        actor_id=row.actor_id,
    )
    event.detail.update(cast("Mapping[str, Any]", row.detail))
    return event
