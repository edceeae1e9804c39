"""What each method demands of its caller, as the contract says (``required_role``, ``open_to_all``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from engine.domain.access import Requirement, Role, role_of
from mailing.v1 import access_pb2


def requirements(services: Iterable[ServiceDescriptor]) -> Mapping[str, Requirement | None]:
    """The requirement of each method by its path (``/mailing.v1.ClientService/GetClient``); ``None``: open to all.

    A method that is not in the result refuses everybody: one that says nothing in the contract is not open by mistake.
    Health is open, for load balancers; reflection takes any rank.
    """
    found: dict[str, Requirement | None] = {}
    for service in services:
        for method in service.methods:
            options = method.GetOptions()
            role = role_of(options.Extensions[access_pb2.required_role])
            if role is not None:
                found[path_of(method)] = Requirement(
                    role,
                    role_of(options.Extensions[access_pb2.also_role]),
                    before_totp_setup=options.Extensions[access_pb2.before_totp_setup],
                )
            elif options.Extensions[access_pb2.open_to_all]:
                found[path_of(method)] = None
    return (
        found
        | dict.fromkeys(_paths(health_pb2), None)
        | dict.fromkeys(_paths(reflection_pb2), Requirement(Role.VIEWER))
    )


def path_of(method: MethodDescriptor) -> str:
    """A method's path, as gRPC has it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _paths(module: Any) -> list[str]:
    """The paths of all methods of a generated module, whose types differ from package to package."""
    return [path_of(method) for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods]
