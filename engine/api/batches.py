"""What the batch methods of ClientService are asked for, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import valid_change
from engine.store.client_batches import BATCH_MAX
from mailing.v1 import client_service_pb2

_EDITABLE: Final = ("tag", "time_zone")


def batch_ids(client_ids: Sequence[int]) -> list[int]:
    """The ids, each once, in the order given. Raises InvalidInput when there are none or too many."""
    if not 1 <= len(client_ids) <= BATCH_MAX:
        fault = ErrorCode.BAD_ID_COUNT.format(max=BATCH_MAX, count=len(client_ids))
        raise InvalidInput([FieldError("client_ids", fault)])
    return list(dict.fromkeys(client_ids))


def batch_change(
    request: client_service_pb2.BatchUpdateClientsRequest, default_time_zone: str
) -> tuple[str | None, str | None]:
    """The tag and the time zone to be set; ``None``: as they are.

    Raises:
        InvalidInput: naming what is wrong with the mask, or with the values.
    """
    paths = list(request.update_mask.paths)
    if not paths or not set(paths).issubset(_EDITABLE):
        raise InvalidInput([FieldError("update_mask", ErrorCode.BAD_BATCH_MASK.format())])
    client = request.client
    tag = client.tag if "tag" in paths else None
    return valid_change(tag, client.time_zone if "time_zone" in paths else None, default_time_zone)
