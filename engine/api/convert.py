"""Between rows and messages of the contract. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from common.contract.values import struct_json
from common.error_codes import ErrorCode, Unfit
from engine.api.by_name import message_from, timestamp
from engine.api.convert_audience import DELIVERIES, REASONS, STATUSES, audience_input, audience_message
from engine.api.limits import Limits
from engine.api.wishes import wish_input
from engine.domain.attributes import FIELD, NONE, Attribute, attributes_of, name_problem, value_problem
from engine.domain.cost import money
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.message import Status
from engine.domain.phone import PHONE_LENGTH
from engine.domain.receipt import Delivery
from engine.domain.routing import Way
from engine.domain.segments import count_segments
from engine.domain.validate import (
    DEFAULT_ON_UNCERTAIN,
    UNDERSTOOD,
    ClientInput,
    MailingInput,
    bare_text,
    valid_client,
    valid_mailing,
)
from engine.domain.window import LocalHours, MailingState, PauseReason
from engine.ports import AudienceState, OnUncertain
from engine.store.client_rows import ClientQuery, ClientRow
from engine.store.rows import AttemptOutcome, AttemptRow, Counts, MailingRow, MessageQuery, MessageRow
from mailing.v1 import (
    client_pb2,
    client_service_pb2,
    mailing_pb2,
    message_pb2,
    message_service_pb2,
)

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
V = TypeVar("V", bound=int)

_SECOND_US: Final = 1_000_000

DELIVERY_STATUSES: Final = {
    Delivery.DELIVERED: message_pb2.DELIVERY_STATUS_DELIVERED,
    Delivery.UNDELIVERED: message_pb2.DELIVERY_STATUS_UNDELIVERED,
}
STATES: Final = {
    MailingState.SCHEDULED: mailing_pb2.MAILING_STATE_SCHEDULED,
    MailingState.ACTIVE: mailing_pb2.MAILING_STATE_ACTIVE,
    MailingState.PAUSED: mailing_pb2.MAILING_STATE_PAUSED,
    MailingState.CANCELLED: mailing_pb2.MAILING_STATE_CANCELLED,
    MailingState.ENDED: mailing_pb2.MAILING_STATE_ENDED,
}
AUDIENCE_STATES: Final = {
    AudienceState.BUILDING: mailing_pb2.AUDIENCE_STATE_BUILDING,
    AudienceState.READY: mailing_pb2.AUDIENCE_STATE_READY,
}
_ON_UNCERTAIN: Final = {
    OnUncertain.RESEND: mailing_pb2.ON_UNCERTAIN_RESEND,
    OnUncertain.NOT_SENT: mailing_pb2.ON_UNCERTAIN_NOT_SENT,
}
_ON_UNCERTAIN_WORDS: Final = {number: word.value for word, number in _ON_UNCERTAIN.items()}
AUDIENCE_MODES: Final = {
    False: mailing_pb2.AUDIENCE_MODE_LIVE,
    True: mailing_pb2.AUDIENCE_MODE_FIXED,
}
_ATTEMPT_OUTCOMES: Final = {
    AttemptOutcome.SENT: message_pb2.ATTEMPT_OUTCOME_SENT,
    AttemptOutcome.REJECTED: message_pb2.ATTEMPT_OUTCOME_REJECTED,
    AttemptOutcome.DEFERRED: message_pb2.ATTEMPT_OUTCOME_DEFERRED,
    AttemptOutcome.LOST: message_pb2.ATTEMPT_OUTCOME_LOST,
}


# -- times, ids, enums -------------------------------------------------------------------------


def micros(time: Timestamp) -> int:
    """A Timestamp as microseconds since the epoch; what is finer is cut off."""
    return time.seconds * _SECOND_US + time.nanos // 1_000


def chosen(names: Mapping[K, V], value: V, field: str) -> K | None:
    """The engine's word for an enum value; ``None`` when it is unspecified (0).

    Raises:
        InvalidInput: the number is none of the enum's.
    """
    if value == 0:
        return None
    for name, number in names.items():
        if number == value:
            return name
    raise InvalidInput([FieldError(field, ErrorCode.UNKNOWN_NUMBER.format(number=value))])


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Convert two parts of a request. Raises InvalidInput with the bad fields of both, not just of the first."""
    try:
        result = first()
    except InvalidInput as error:
        try:
            second()
        except InvalidInput as other:
            raise InvalidInput([*error.errors, *other.errors]) from None
        raise
    return result, second()


# -- clients -----------------------------------------------------------------------------------


def _attributes_struct(row: ClientRow) -> Struct | None:
    if row.attributes == NONE:
        return None
    return Struct(fields={name: _value(value) for name, value in attributes_of(row.attributes).items()})


def _value(value: Attribute) -> Value:
    if isinstance(value, str):
        return Value(string_value=value)
    return Value(bool_value=value) if isinstance(value, bool) else Value(number_value=value)


client_message: Final = message_from(ClientRow, client_pb2.Client, attributes=_attributes_struct)
"""A client as the API shows it."""
CLIENT_LIMITS: Final = Limits(client_pb2.Client)


def client_input(client: client_pb2.Client, default_time_zone: str) -> ClientInput:
    """A client as it may be stored. Raises InvalidInput with every bad field."""
    return CLIENT_LIMITS.checked(client, valid_client, default_time_zone, struct_json(client.attributes))


ClientFilters = client_service_pb2.ListClientsRequest | client_service_pb2.ExportClientsRequest
"""Both have the fields of ``ClientQuery``, each of which may be set."""
_FILTERS: Final = [field.name for field in fields(ClientQuery) if field.name != FIELD]
_FILTERED_ATTRIBUTES_MAX: Final = 20
_LIST_LIMITS: Final = Limits(client_service_pb2.ListClientsRequest)
_EXPORT_LIMITS: Final = Limits(client_service_pb2.ExportClientsRequest)


def client_query(request: ClientFilters) -> ClientQuery:
    """The filters of a list of clients. Raises InvalidInput for what no client can have."""
    if isinstance(request, client_service_pb2.ListClientsRequest):
        return _LIST_LIMITS.checked(request, _understood)
    return _EXPORT_LIMITS.checked(request, _understood)


def _understood(request: ClientFilters) -> ClientQuery:
    is_set: Callable[[Any], bool] = request.HasField
    asked: dict[str, Any] = {name: getattr(request, name) for name in _FILTERS if is_set(name)}
    errors = [*_null_characters(request, _FILTERS), *_attribute_filter_errors(request.attributes)]
    bad = {error.field for error in errors}
    for name in [name for name in UNDERSTOOD if name in asked and name not in bad]:
        try:
            asked[name] = UNDERSTOOD[name](asked[name])
        except Unfit as error:
            errors.append(FieldError(name, error.fault))
    if errors:
        raise InvalidInput(errors)
    query = ClientQuery(**asked, attributes=tuple(sorted(request.attributes.items())))
    if query.phone_contains is None:
        return query
    if query.phone_number is not None:
        raise InvalidInput([FieldError("phone_contains", ErrorCode.WITH_PHONE_NUMBER.format())])
    if len(query.phone_contains) == PHONE_LENGTH:  # the whole number: an index finds it
        return replace(query, phone_number=int(query.phone_contains), phone_contains=None)
    return query


def _attribute_filter_errors(attributes: Mapping[str, str]) -> Iterator[FieldError]:
    if len(attributes) > _FILTERED_ATTRIBUTES_MAX:
        fault = ErrorCode.TOO_MANY_ENTRIES.format(max=_FILTERED_ATTRIBUTES_MAX, count=len(attributes))
        yield FieldError(FIELD, fault)
        return
    for name, text in attributes.items():
        if (problem := name_problem(name) or value_problem(text)) is not None:
            yield FieldError(f"{FIELD}.{name}", problem)


def require_text(request: object, *names: str) -> None:
    """Refuse U+0000 in these filters: nothing has it, and PostgreSQL can't even be asked for it."""
    if bad := _null_characters(request, names):
        raise InvalidInput(bad)


def _null_characters(request: object, names: Iterable[str]) -> list[FieldError]:
    return [FieldError(name, ErrorCode.NULL_CHARACTER.format()) for name in names if "\0" in getattr(request, name)]


def facet_messages(values: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Values that clients have, by the fields of ListClientFacetsResponse: ``tags`` for the column ``tag``."""
    return {
        f"{name}s": [
            client_service_pb2.ClientFacet(value=value, client_count=number) for value, number in found.items()
        ]
        for name, found in values.items()
    }


# -- mailings ----------------------------------------------------------------------------------


counts_message: Final = message_from(Counts, mailing_pb2.MessageCounts)
"""Messages by status."""


def local_hours_message(hours: LocalHours | None) -> mailing_pb2.LocalHours | None:
    """Local hours as the API shows them; ``from`` is a word of Python, hence the mapping."""
    if hours is None:
        return None
    return mailing_pb2.LocalHours(**dict(zip(("from", "to"), hours.format(), strict=True)))


@lru_cache(maxsize=1024)
def _segments(text: str) -> int:
    """Counting takes 0.4 ms for the longest text: too long for each of a page of 1,000."""
    return count_segments(text).segments


_mailing_message: Final = message_from(
    MailingRow,
    mailing_pb2.Mailing,
    later=["state", "warnings"],
    filter=lambda row: audience_message(row.filter),
    local_hours=lambda row: local_hours_message(row.local_hours),
    on_uncertain=_ON_UNCERTAIN,
    audience=lambda row: AUDIENCE_MODES[row.audience_fixed],
    audience_state=AUDIENCE_STATES,
    segments=lambda row: _segments(row.text),
    message_counts=lambda row: counts_message(row.counts),
    budget=lambda row: None if row.budget is None else money(row.budget),
    cost=lambda row: money(row.cost),
    pause_reason={
        None: mailing_pb2.PAUSE_REASON_UNSPECIFIED,
        PauseReason.BUDGET: mailing_pb2.PAUSE_REASON_BUDGET,
    },
)
_MAILING_LIMITS: Final = Limits(mailing_pb2.Mailing)


def mailing_message(row: MailingRow, now_us: int) -> mailing_pb2.Mailing:
    """A mailing as the API shows it at ``now_us``."""
    message = _mailing_message(row)
    message.state = STATES[row.state(now_us)]
    return message


def mailing_input(
    mailing: mailing_pb2.Mailing, now_us: int, segments_max: int | None, ways: Sequence[Way] | None = None
) -> MailingInput:
    """A mailing as it may be stored, see ``valid_mailing``. Raises InvalidInput with every bad field.

    A byte order mark before the text is dropped. ``ways``: the providers; ``None``: what the mailing asks
    of them was accepted before, and stays so.
    """
    bare = mailing_pb2.Mailing()
    bare.CopyFrom(mailing)
    bare.text = bare_text(mailing.text)
    if any(each.path == "text" for each in _MAILING_LIMITS.violations(bare)):
        segments_max = None  # a text beyond the limits is not counted: it may be long
    return _MAILING_LIMITS.checked(bare, _mailing_input, now_us, segments_max, ways)


def _mailing_input(
    mailing: mailing_pb2.Mailing, now_us: int, segments_max: int | None, ways: Sequence[Way] | None
) -> MailingInput:
    (made, audience), wish = both(
        lambda: both(
            lambda: _but_for_audience(mailing, now_us, segments_max), lambda: audience_input(mailing.filter).distinct()
        ),
        lambda: wish_input(mailing, ways),
    )
    return replace(made, filter=audience, provider=wish.provider, sender=wish.sender)


def _but_for_audience(mailing: mailing_pb2.Mailing, now_us: int, segments_max: int | None) -> MailingInput:
    hours = mailing.local_hours
    return valid_mailing(
        text=mailing.text,
        start_us=micros(mailing.start_time) if mailing.HasField("start_time") else None,
        end_us=micros(mailing.end_time) if mailing.HasField("end_time") else None,
        now_us=now_us,
        local_hours=(getattr(hours, "from"), hours.to) if mailing.HasField("local_hours") else None,
        rate_limit=mailing.rate_limit if mailing.HasField("rate_limit") else None,
        on_uncertain=_ON_UNCERTAIN_WORDS.get(mailing.on_uncertain, DEFAULT_ON_UNCERTAIN),
        name=mailing.name,
        audience_fixed=mailing.audience == mailing_pb2.AUDIENCE_MODE_FIXED,
        budget=mailing.budget if mailing.HasField("budget") else None,
        segments_max=segments_max,
    )


def mailing_state(value: mailing_pb2.MailingState.ValueType) -> MailingState | None:
    """The ``state`` that a list is filtered by."""
    return chosen(STATES, value, "state")


# -- messages ----------------------------------------------------------------------------------


def _last_error(row: MessageRow) -> message_pb2.MessageError | None:
    failed = row.status is not Status.SENT and (row.http_status is not None or row.detail)
    return message_pb2.MessageError(http_status=row.http_status, detail=row.detail) if failed else None


def _delivery(row: MessageRow) -> message_pb2.Delivery | None:
    if row.delivery is None:
        return None
    return message_pb2.Delivery(
        status=DELIVERY_STATUSES[row.delivery],
        time=timestamp(row.delivery_us),
        code=row.delivery_code or "",
        detail=row.delivery_detail or "",
    )


_message: Final = message_from(
    MessageRow,
    message_pb2.Message,
    later=["attempt_history"],
    status=lambda row: STATUSES[row.status.public],
    reason={None: message_pb2.NOT_SENT_REASON_UNSPECIFIED, **REASONS},
    last_error=_last_error,
    delivery=_delivery,
    cost=lambda row: money(row.cost),
)
attempt_message: Final = message_from(
    AttemptRow,
    message_pb2.Attempt,
    start_time=lambda row: timestamp(row.started_us),
    end_time=lambda row: timestamp(row.finished_us),
    outcome=_ATTEMPT_OUTCOMES,
)
"""A call to the provider as the API shows it."""


def message_message(row: MessageRow, attempts: Iterable[AttemptRow] = ()) -> message_pb2.Message:
    """A message as the API shows it."""
    message = _message(row)
    message.attempt_history.extend(map(attempt_message, attempts))
    return message


def message_query(
    request: message_service_pb2.ListMessagesRequest | message_service_pb2.ExportMessagesRequest,
) -> MessageQuery:
    """The filters of a list of messages. Raises InvalidInput for unknown enum values."""
    return MessageQuery(
        mailing_id=request.mailing_id if request.HasField("mailing_id") else None,
        client_id=request.client_id if request.HasField("client_id") else None,
        status=chosen(STATUSES, request.status, "status"),
        reason=chosen(REASONS, request.reason, "reason"),
        delivery=chosen(DELIVERIES, request.delivery, "delivery"),
    )
