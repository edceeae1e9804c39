"""What delivery needs of the engine's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """See SPEC, section 7."""

    workers: int = 64
    slots: int = 0
    queue_size: int = 1000
    tick_seconds: float = 5.0
    provider_rate: float = 0.0
    provider_timeout_seconds: float = 10.0
    retry_base_seconds: float = 5.0
    retry_max_seconds: float = 300.0
    lease_seconds: float = 60.0
