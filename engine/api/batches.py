"""What the batch methods of ClientService are asked for, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import valid_change
from engine.store.client_batches import BATCH_MAX
from mailing.v1 import client_service_pb2

_EDITABLE: Final = ("tag", "time_zone")


def batch_ids(client_ids: Sequence[int]) -> list[int]:
    """The ids, each once, in the order given. Raises InvalidInput when there are none or too many."""
    if not 1 <= len(client_ids) <= BATCH_MAX:
        raise InvalidInput([FieldError("client_ids", f"must be 1 to {BATCH_MAX} ids, not {len(client_ids)}")])
    return list(dict.fromkeys(client_ids))


def batch_change(
    request: client_service_pb2.BatchUpdateClientsRequest, default_time_zone: str
) -> tuple[str | None, str | None]:
    """The tag and the time zone to be set; ``None``: as they are.

    Raises:
        InvalidInput: naming what is wrong with the mask, or with the values.
    """
    paths = list(request.update_mask.paths)
    unknown = [path for path in paths if path not in _EDITABLE]
    if not paths or unknown:
        named = "".join(f', not "{path[:100]}"' for path in unknown[:3])
        raise InvalidInput([FieldError("update_mask", f"must name tag, time_zone or both{named}")])
    client = request.client
    tag = client.tag if "tag" in paths else None
    return valid_change(tag, client.time_zone if "time_zone" in paths else None, default_time_zone)
