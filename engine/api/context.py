"""What a servicer is told of its call by gRPC."""

from __future__ import annotations

from typing import Any

from grpc import aio

Context = aio.ServicerContext[Any, Any]
