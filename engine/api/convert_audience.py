"""Between filters of mailings and messages of the contract. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from common.contract.values import value_json, value_proto
from common.error_codes import ErrorCode
from engine.domain.attributes import Attribute, value_problem, value_text
from engine.domain.audience import AttributeCondition, AttributeOp, AudienceFilter, MessageCondition
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.message import Reason
from engine.domain.receipt import NO_RECEIPT, Delivery
from engine.store.attribute_facets import AttributeFacets
from mailing.v1 import client_service_pb2, mailing_pb2, message_pb2

STATUSES: Final[Mapping[str, message_pb2.MessageStatus.ValueType]] = {
    "pending": message_pb2.MESSAGE_STATUS_PENDING,
    "sent": message_pb2.MESSAGE_STATUS_SENT,
    "not_sent": message_pb2.MESSAGE_STATUS_NOT_SENT,
}
REASONS: Final[Mapping[Reason, message_pb2.NotSentReason.ValueType]] = {
    Reason.EXPIRED: message_pb2.NOT_SENT_REASON_EXPIRED,
    Reason.REJECTED: message_pb2.NOT_SENT_REASON_REJECTED,
    Reason.CANCELLED: message_pb2.NOT_SENT_REASON_CANCELLED,
    Reason.UNCERTAIN: message_pb2.NOT_SENT_REASON_UNCERTAIN,
    Reason.SUPPRESSED: message_pb2.NOT_SENT_REASON_SUPPRESSED,
    Reason.INCOMPLETE: message_pb2.NOT_SENT_REASON_INCOMPLETE,
}
DELIVERIES: Final[Mapping[str, message_pb2.DeliveryFilter.ValueType]] = {
    Delivery.DELIVERED.public: message_pb2.DELIVERY_FILTER_DELIVERED,
    Delivery.UNDELIVERED.public: message_pb2.DELIVERY_FILTER_UNDELIVERED,
    NO_RECEIPT: message_pb2.DELIVERY_FILTER_NONE,
}
_OPS: Final = {
    AttributeOp.ANY_OF: mailing_pb2.ATTRIBUTE_OP_ANY_OF,
    AttributeOp.NONE_OF: mailing_pb2.ATTRIBUTE_OP_NONE_OF,
    AttributeOp.AT_LEAST: mailing_pb2.ATTRIBUTE_OP_AT_LEAST,
    AttributeOp.AT_MOST: mailing_pb2.ATTRIBUTE_OP_AT_MOST,
    AttributeOp.IS_SET: mailing_pb2.ATTRIBUTE_OP_IS_SET,
    AttributeOp.IS_NOT_SET: mailing_pb2.ATTRIBUTE_OP_IS_NOT_SET,
}
_OP_OF: Final = {number: op for op, number in _OPS.items()}
_CONDITIONS_MAX: Final = 20


def audience_message(filter: AudienceFilter) -> mailing_pb2.AudienceFilter:
    """A filter as the API shows it."""
    conditions = [
        mailing_pb2.AttributeCondition(
            name=each.name, op=_OPS[each.op], values=[value_proto(orjson.loads(text)) for text in each.values]
        )
        for each in filter.attributes
    ]
    return mailing_pb2.AudienceFilter(
        tags=filter.tags,
        phone_codes=filter.phone_codes,
        exclude_tags=filter.exclude_tags,
        attributes=conditions,
        client_ids=filter.client_ids,
        messages=None if filter.messages is None else _messages_message(filter.messages),
    )


def _messages_message(condition: MessageCondition) -> mailing_pb2.MessageCondition:
    return mailing_pb2.MessageCondition(
        mailing_id=condition.mailing_id,
        statuses=[STATUSES[each] for each in condition.statuses],
        reasons=[REASONS[Reason[each.upper()]] for each in condition.reasons],
        delivery=[DELIVERIES[each] for each in condition.delivery],
    )


def audience_input(filter: mailing_pb2.AudienceFilter) -> AudienceFilter:
    """A filter as it may be stored. Raises InvalidInput with what is wrong beyond the contract's limits."""
    errors: list[FieldError] = []
    conditions = []
    for place, each in enumerate(filter.attributes[:_CONDITIONS_MAX]):
        op, values = _OP_OF.get(each.op), [value_json(value) for value in each.values]
        if op is None:  # which the limits tell
            continue
        condition = AttributeCondition(each.name, op, _texts(values))
        where = f"filter.attributes[{place}]"
        errors += [FieldError(f"{where}.{error.field}", error.fault) for error in condition.errors(values)]
        conditions.append(condition)
    if errors:
        raise InvalidInput(errors)
    return AudienceFilter(
        tags=tuple(filter.tags),
        phone_codes=tuple(filter.phone_codes),
        exclude_tags=tuple(filter.exclude_tags),
        attributes=tuple(conditions),
        client_ids=tuple(filter.client_ids),
        messages=_messages_input(filter.messages) if filter.HasField("messages") else None,
    )


def _messages_input(condition: mailing_pb2.MessageCondition) -> MessageCondition:
    """What the enums have no word for the limits tell."""
    return MessageCondition(
        condition.mailing_id,
        tuple(word for number in condition.statuses for word, known in STATUSES.items() if known == number),
        tuple(word.public for number in condition.reasons for word, known in REASONS.items() if known == number),
        tuple(word for number in condition.delivery for word, known in DELIVERIES.items() if known == number),
    )


def _texts(values: list[Attribute]) -> tuple[str, ...]:
    """The good ones as they are written, each once."""
    return tuple(dict.fromkeys(value_text(value) for value in values if value_problem(value) is None))


def warnings_of(filter: AudienceFilter, unknown: set[str]) -> list[mailing_pb2.MailingWarning]:
    """What to say of a filter that names attributes which no client has."""
    found = []
    for place, condition in enumerate(filter.attributes):
        if condition.name in unknown:
            fault = ErrorCode.UNKNOWN_ATTRIBUTE.format(name=condition.name)
            found.append(
                mailing_pb2.MailingWarning(
                    code=fault.code,
                    message=fault,
                    field=f"filter.attributes[{place}].name",
                    arguments=fault.arguments,
                )
            )
    return found


def attribute_facets_message(
    facets: AttributeFacets, *, is_names: bool
) -> client_service_pb2.ListAttributeFacetsResponse:
    """Names of attributes, or values of one, as the API shows them."""
    answer = client_service_pb2.ListAttributeFacetsResponse(looked_at=facets.looked_at, client_count=facets.clients)
    for text, number in facets.counts.items():
        if is_names:
            answer.names.add(value=text, client_count=number)
        else:
            answer.values.add(value=value_proto(orjson.loads(text)), client_count=number)
    return answer
