"""Who may call what: every method of the contract, and every kind of caller (docs/behaviour.md, section 6)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from common.contract.services import SERVICES
from engine.access.secrets import digest
from engine.api.roles import path_of, requirements
from engine.domain.access import Role
from engine.store.rows import Actor
from engine.store.store import Store
from mailing.v1.client_service_pb2 import ExportClientsRequest, ImportClientsRequest, ImportClientsRow
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.mailing_service_pb2 import WatchMailingRequest
from mailing.v1.mailing_service_pb2_grpc import MailingServiceStub
from scripts.token_channel import metadata
from tests.api.conftest import Api
from tests.api.fakes import START_US
from tests.patience import PATIENT_SECONDS

METHODS: Final[list[MethodDescriptor]] = [method for service in SERVICES.values() for method in service.methods]
REQUIREMENTS: Final = requirements(SERVICES.values())
REFUSED: Final = "a valid session or API token is needed: authorization: Bearer SECRET"
BY: Final = Actor("test")
ROLES: Final = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
BAD: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "nothing": (),
    "no scheme": (("authorization", "token-of-admin-x"),),
    "another scheme": (("authorization", "Basic token-of-admin-x"),),
    "an empty secret": (("authorization", "Bearer "),),
    "two secrets": (("authorization", "Bearer token-of-admin-x token-of-admin-x"),),
    "two headers": (*metadata("token-of-admin-x"), *metadata("token-of-admin-x")),
    "an unknown secret": metadata("token-of-nobody"),
    "another case": metadata("TOKEN-OF-ADMIN-X"),
    "a hash": metadata(digest("token-of-admin-x")),
    "a revoked token": metadata("token-that-is-revoked"),
    "an expired token": metadata("token-that-is-expired"),
    "an expired session": metadata("session-that-is-expired"),
}


@pytest.fixture
async def callers(store: Store) -> None:
    """A token of each role, and some that are no longer good."""
    for name, role in ROLES.items():
        await add_token(store, f"token-of-{name}-x", role)
    revoked = await add_token(store, "token-that-is-revoked", Role.ADMIN)
    await store.revoke_token(revoked, by=BY, now_us=1)
    await add_token(store, "token-that-is-expired", Role.ADMIN, expire_us=START_US)
    account = (await store.create_account("anna", Role.ADMIN, "hash", by=BY, now_us=1)).row
    secret_hash = digest("session-that-is-expired")
    await store.open_session(account.id, "hash", secret_hash, expire_us=START_US, by=BY, now_us=1)


async def add_token(store: Store, secret: str, role: Role, expire_us: int | None = None) -> int:
    row = await store.create_token(secret, role, digest(secret), "", expire_us=expire_us, by=BY, now_us=1)
    return row.id


async def answer(port: int, method: MethodDescriptor, extra: tuple[tuple[str, str], ...]) -> tuple[StatusCode, str]:
    """What an empty request to a method gets."""
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    kinds = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = getattr(channel, "_".join(kinds))(
            path_of(method),
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        request = iter([request_class()]) if method.client_streaming else request_class()
        call = stub(request, metadata=extra, timeout=PATIENT_SECONDS)
        try:
            if method.server_streaming:
                async for _ in call:
                    pass
            else:
                await call
        except aio.AioRpcError as error:
            return error.code(), error.details() or ""
        return StatusCode.OK, ""


@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_every_method_refuses_and_admits_as_the_contract_says(api: Api, method: MethodDescriptor) -> None:
    required = REQUIREMENTS[path_of(method)]
    for name, extra in BAD.items():
        code, text = await answer(api.port, method, extra)
        assert ((code, text) == (StatusCode.UNAUTHENTICATED, REFUSED)) == (required is not None), name
    for name, role in ROLES.items():
        code, text = await answer(api.port, method, metadata(f"token-of-{name}-x"))
        is_low = required is not None and not required.allows(role)
        assert (code is StatusCode.PERMISSION_DENIED) == is_low, name
        assert text != REFUSED
        if required is not None and is_low:
            assert f"needs the role {required.words};" in text


def test_a_method_that_the_contract_says_nothing_of_is_not_known() -> None:
    assert set(REQUIREMENTS) >= {path_of(method) for method in METHODS}
    assert "/mailing.v1.ClientService/Unheard" not in REQUIREMENTS


async def test_a_method_without_a_requirement_refuses_even_an_admin(api: Api) -> None:
    interceptor: Any = api.server._interceptor
    interceptor._requirements = {}
    code, text = await answer(api.port, METHODS[0], metadata())
    assert (code, text) == (StatusCode.PERMISSION_DENIED, "nobody may call this method")


async def test_health_is_open_and_reflection_is_not(api: Api) -> None:
    async with aio.insecure_channel(f"127.0.0.1:{api.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # the stubs know no aio
        call = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is StatusCode.UNAUTHENTICATED


@pytest.mark.usefixtures("callers")
async def test_an_import_with_no_token_is_told_so_while_it_still_sends(api: Api) -> None:
    rows = [ImportClientsRow(phone_number=str(79160000000 + number), tag="x" * 60) for number in range(5000)]
    async with aio.insecure_channel(f"127.0.0.1:{api.port}") as channel:
        call = ClientServiceStub(channel).ImportClients(iter([ImportClientsRequest(rows=rows)] * 10))
        with pytest.raises(aio.AioRpcError) as caught:
            await call
    # On a busy machine grpc.aio may notice that its own write failed before it reads the answer: then it says INTERNAL.
    assert caught.value.code() in {StatusCode.UNAUTHENTICATED, StatusCode.INTERNAL}
    assert api.measured == [("ImportClients", "UNAUTHENTICATED")]
    async for _ in api.clients.ExportClients(ExportClientsRequest()):
        raise AssertionError("something was stored")


async def test_a_stream_ends_when_its_token_is_revoked(api: Api) -> None:
    token_id = await add_token(api.store, "token-of-a-watcher", Role.VIEWER)
    await api.add_clients(1)
    mailing = await api.add_mailing()
    async with aio.insecure_channel(f"127.0.0.1:{api.port}") as channel:
        call = watch(channel, mailing.id)
        await call.read()
        await api.store.revoke_token(token_id, by=BY, now_us=1)
        api.clock.pass_seconds(16)  # another engine did it, so it is believed for 2 s; a sign of life comes in 15 s
        with pytest.raises(aio.AioRpcError) as caught:
            await asyncio.wait_for(call.read(), PATIENT_SECONDS)
    assert caught.value.code() is StatusCode.UNAUTHENTICATED


def watch(channel: aio.Channel, mailing_id: int) -> Any:
    return MailingServiceStub(channel).WatchMailing(
        WatchMailingRequest(mailing_id=mailing_id), metadata=metadata("token-of-a-watcher")
    )
