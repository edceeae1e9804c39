"""What the batch methods of ClientService are asked for, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.contract.reader import field_of
from common.error_codes import ErrorCode
from engine.api.convert import CLIENT_LIMITS
from engine.api.masks import merged
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import valid_change
from engine.store.client_batches import BATCH_MAX
from engine.store.client_rows import ClientChange
from mailing.v1 import client_pb2, client_service_pb2

_MASK: Final = field_of(client_service_pb2.BatchUpdateClientsRequest.DESCRIPTOR, "update_mask")
_EDITABLE: Final = frozenset(_MASK.rules.paths)


def batch_ids(client_ids: Sequence[int]) -> list[int]:
    """The ids, each once, in the order given. Raises InvalidInput when there are none or too many."""
    if not 1 <= len(client_ids) <= BATCH_MAX:
        fault = ErrorCode.BAD_ID_COUNT.format(max=BATCH_MAX, count=len(client_ids))
        raise InvalidInput([FieldError("client_ids", fault)])
    return list(dict.fromkeys(client_ids))


def batch_change(request: client_service_pb2.BatchUpdateClientsRequest, default_time_zone: str) -> ClientChange:
    """What is to be set in each client.

    Raises:
        InvalidInput: naming what is wrong with the mask, or with the values.
    """
    paths = set(request.update_mask.paths)
    if not paths or not paths <= _EDITABLE:
        raise InvalidInput([FieldError("update_mask", ErrorCode.BAD_BATCH_MASK.format())])
    said = merged(client_pb2.Client(), request.client, sorted(paths))  # what the mask does not name is not looked at
    return ClientChange(**CLIENT_LIMITS.checked(said, valid_change, paths, default_time_zone))
