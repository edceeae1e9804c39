"""The contract's services: all that the ``.proto`` files of the package hold, so that a new one is written nowhere
else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

import mailing.v1


def _services() -> dict[str, ServiceDescriptor]:
    modules = sorted(module.name for module in iter_modules(mailing.v1.__path__))
    return {
        name: service
        for module in modules
        if module.endswith("_service_pb2")
        for name, service in import_module(f"{mailing.v1.__name__}.{module}").DESCRIPTOR.services_by_name.items()
    }


SERVICES: Final[Mapping[str, ServiceDescriptor]] = MappingProxyType(_services())
"""By their names without the package, like ``ClientService``."""
