"""Between rows and messages of the contract. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from common.error_codes import ErrorCode, Unfit
from engine.domain.audience import AudienceFilter
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.message import Reason, Status
from engine.domain.phone import PHONE_LENGTH, digits_of, normalise
from engine.domain.segments import count_segments
from engine.domain.validate import ClientInput, MailingInput, valid_client, valid_mailing
from engine.domain.window import LocalHours, MailingState
from engine.ports import AudienceState, OnUncertain
from engine.store.rows import (
    AttemptOutcome,
    AttemptRow,
    ClientQuery,
    ClientRow,
    Counts,
    MailingRow,
    MessageQuery,
    MessageRow,
)
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
_STATUSES: Final = {
    "pending": message_pb2.MESSAGE_STATUS_PENDING,
    "sent": message_pb2.MESSAGE_STATUS_SENT,
    "not_sent": message_pb2.MESSAGE_STATUS_NOT_SENT,
}
_REASONS: Final = {
    Reason.EXPIRED: message_pb2.NOT_SENT_REASON_EXPIRED,
    Reason.REJECTED: message_pb2.NOT_SENT_REASON_REJECTED,
    Reason.CANCELLED: message_pb2.NOT_SENT_REASON_CANCELLED,
    Reason.UNCERTAIN: message_pb2.NOT_SENT_REASON_UNCERTAIN,
}
_ATTEMPT_OUTCOMES: Final = {
    AttemptOutcome.SENT: message_pb2.ATTEMPT_OUTCOME_SENT,
    AttemptOutcome.REJECTED: message_pb2.ATTEMPT_OUTCOME_REJECTED,
    AttemptOutcome.DEFERRED: message_pb2.ATTEMPT_OUTCOME_DEFERRED,
    AttemptOutcome.LOST: message_pb2.ATTEMPT_OUTCOME_LOST,
}


# -- times, ids, enums -------------------------------------------------------------------------


def timestamp(us: int | None) -> Timestamp | None:
    """Microseconds since the epoch as a Timestamp; ``None`` stays: the field is not set."""
    if us is None:
        return None
    seconds, rest_us = divmod(us, _SECOND_US)
    return Timestamp(seconds=seconds, nanos=rest_us * 1_000)


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


def client_message(row: ClientRow) -> client_pb2.Client:
    """A client as the API shows it."""
    return client_pb2.Client(
        id=row.id,
        phone_number=str(row.phone_number),
        phone_code=row.phone_code,
        tag=row.tag,
        time_zone=row.time_zone,
        create_time=timestamp(row.create_us),
        update_time=timestamp(row.update_us),
    )


def client_input(client: client_pb2.Client, default_time_zone: str) -> ClientInput:
    """A client as it may be stored. Raises InvalidInput with every bad field."""
    return valid_client(
        client.phone_number, client.phone_code, client.tag, client.time_zone, default_time_zone=default_time_zone
    )


class ClientFilters(Protocol):
    """What ListClients and ExportClients have in common."""

    phone_number: str
    phone_contains: str
    phone_code: str
    tag: str
    time_zone: str

    def HasField(self, field_name: Any, /) -> bool:
        """Whether the filter is set."""


def client_query(request: ClientFilters) -> ClientQuery:
    """The filters of a list of clients. Raises InvalidInput for what can't be a number, a part of one, or text."""
    _, (phone_number, phone_contains) = both(
        lambda: require_text(request, "phone_code", "tag", "time_zone"),
        lambda: both(
            lambda: _understood(normalise, request, "phone_number"),
            lambda: _understood(digits_of, request, "phone_contains"),
        ),
    )
    if phone_number is not None and phone_contains is not None:
        raise InvalidInput([FieldError("phone_contains", ErrorCode.WITH_PHONE_NUMBER.format())])
    if phone_contains is not None and len(phone_contains) == PHONE_LENGTH:  # the whole number: an index finds it
        phone_number, phone_contains = int(phone_contains), None
    return ClientQuery(
        phone_contains=phone_contains,
        phone_number=phone_number,
        phone_code=request.phone_code if request.HasField("phone_code") else None,
        tag=request.tag if request.HasField("tag") else None,
        time_zone=request.time_zone if request.HasField("time_zone") else None,
    )


def require_text(request: object, *names: str) -> None:
    """Refuse U+0000 in these filters: nothing has it, and PostgreSQL can't even be asked for it."""
    bad = [FieldError(name, ErrorCode.NULL_CHARACTER.format()) for name in names if "\0" in getattr(request, name)]
    if bad:
        raise InvalidInput(bad)


def _understood(read: Callable[[str], A], request: ClientFilters, name: str) -> A | None:
    """What ``read`` makes of a field; ``None``: it is not set."""
    if not request.HasField(name):
        return None
    try:
        return read(getattr(request, name))
    except Unfit as error:
        raise InvalidInput([FieldError(name, error.fault)]) from None


def facet_messages(values: Mapping[str, int]) -> list[client_service_pb2.ClientFacet]:
    """Values that clients have, in the order given."""
    return [client_service_pb2.ClientFacet(value=value, client_count=number) for value, number in values.items()]


# -- mailings ----------------------------------------------------------------------------------


def counts_message(counts: Counts) -> mailing_pb2.MessageCounts:
    """Messages by status."""
    return mailing_pb2.MessageCounts(
        pending=counts.pending, sent=counts.sent, not_sent=counts.not_sent, total=counts.total
    )


def local_hours_message(hours: LocalHours | None) -> mailing_pb2.LocalHours | None:
    """Local hours as the API shows them; ``from`` is a word of Python, hence the mapping."""
    if hours is None:
        return None
    return mailing_pb2.LocalHours(**dict(zip(("from", "to"), hours.format(), strict=True)))


@lru_cache(maxsize=1024)
def _segments(text: str) -> int:
    """Counting takes 0.4 ms for the longest text: too long for each of a page of 1,000."""
    return count_segments(text).segments


def mailing_message(row: MailingRow, now_us: int) -> mailing_pb2.Mailing:
    """A mailing as the API shows it at ``now_us``."""
    return mailing_pb2.Mailing(
        id=row.id,
        text=row.text,
        filter=mailing_pb2.AudienceFilter(tags=row.filter.tags, phone_codes=row.filter.phone_codes),
        start_time=timestamp(row.start_us),
        end_time=timestamp(row.end_us),
        local_hours=local_hours_message(row.local_hours),
        rate_limit=row.rate_limit,
        on_uncertain=_ON_UNCERTAIN[row.on_uncertain],
        state=STATES[row.state(now_us)],
        audience_state=AUDIENCE_STATES[row.audience_state],
        segments=_segments(row.text),
        message_counts=counts_message(row.counts),
        create_time=timestamp(row.create_us),
        update_time=timestamp(row.update_us),
    )


def mailing_input(mailing: mailing_pb2.Mailing, now_us: int, segments_max: int | None) -> MailingInput:
    """A mailing as it may be stored, see ``valid_mailing``. Raises InvalidInput with every bad field."""
    hours = mailing.local_hours
    return valid_mailing(
        text=mailing.text,
        filter=AudienceFilter(tuple(mailing.filter.tags), tuple(mailing.filter.phone_codes)),
        start_us=micros(mailing.start_time) if mailing.HasField("start_time") else None,
        end_us=micros(mailing.end_time) if mailing.HasField("end_time") else None,
        now_us=now_us,
        local_hours=(getattr(hours, "from"), hours.to) if mailing.HasField("local_hours") else None,
        rate_limit=mailing.rate_limit if mailing.HasField("rate_limit") else None,
        on_uncertain=_on_uncertain_word(mailing.on_uncertain),
        segments_max=segments_max,
    )


def _on_uncertain_word(value: mailing_pb2.OnUncertain.ValueType) -> str:
    """Empty when unspecified; a number that is none of the enum's fails the check of the whole mailing."""
    words = {number: str(word) for word, number in _ON_UNCERTAIN.items()}
    return words.get(value, "" if value == 0 else str(value))


def mailing_state(value: mailing_pb2.MailingState.ValueType) -> MailingState | None:
    """The ``state`` that a list is filtered by."""
    return chosen(STATES, value, "state")


# -- messages ----------------------------------------------------------------------------------


def message_message(row: MessageRow, attempts: Iterable[AttemptRow] = ()) -> message_pb2.Message:
    """A message as the API shows it."""
    failed = row.status is not Status.SENT and (row.http_status is not None or row.detail)
    return message_pb2.Message(
        id=row.id,
        mailing_id=row.mailing_id,
        client_id=row.client_id,
        phone_number="" if row.phone_number is None else str(row.phone_number),
        status=_STATUSES[row.status.public],
        reason=message_pb2.NOT_SENT_REASON_UNSPECIFIED if row.reason is None else _REASONS[row.reason],
        attempts=row.attempts,
        create_time=timestamp(row.create_us),
        sent_time=timestamp(row.sent_us),
        next_attempt_time=timestamp(row.next_attempt_us),
        last_error=message_pb2.MessageError(http_status=row.http_status, detail=row.detail) if failed else None,
        attempt_history=[attempt_message(each) for each in attempts],
        text_version=row.text_version,
        text=row.text,
        final_time=timestamp(row.final_us),
    )


def attempt_message(row: AttemptRow) -> message_pb2.Attempt:
    """A call to the provider as the API shows it."""
    return message_pb2.Attempt(
        number=row.number,
        start_time=timestamp(row.started_us),
        end_time=timestamp(row.finished_us),
        http_status=row.http_status,
        detail=row.detail,
        outcome=_ATTEMPT_OUTCOMES[row.outcome],
    )


def message_query(request: message_service_pb2.ListMessagesRequest) -> MessageQuery:
    """The filters of a list of messages. Raises InvalidInput for unknown enum values."""
    return MessageQuery(
        mailing_id=request.mailing_id if request.HasField("mailing_id") else None,
        client_id=request.client_id if request.HasField("client_id") else None,
        status=chosen(_STATUSES, request.status, "status"),
        reason=chosen(_REASONS, request.reason, "reason"),
    )
