"""What delivery needs of the engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.domain.validate import SEGMENTS_MAX
from engine.ports import Control


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Each field means what ``engine.settings`` says of it. Workers and rate may be overridden while engines run."""

    workers: int = 64
    slots: int = 0
    queue_size: int = 1000
    tick_seconds: float = 5.0
    provider_rate: float = 0.0
    provider_timeout_seconds: float = 10.0
    retry_base_seconds: float = 5.0
    retry_max_seconds: float = 300.0
    lease_seconds: float = 60.0
    segments_max: int = SEGMENTS_MAX
    log_messages: Literal["all", "failures"] = "failures"

    def rate_by(self, control: Control | None) -> float:
        """The provider's budget of all engines together, messages a second; 0: no limit."""
        given = None if control is None else control.provider_rate
        return self.provider_rate if given is None else given

    def workers_by(self, control: Control) -> int:
        """How many workers this engine has."""
        return self.workers if control.workers is None else control.workers
