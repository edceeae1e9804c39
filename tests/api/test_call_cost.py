"""What a call must not pay for again and again (scripts/bench/gateway.py shows what it costs)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpc import StatusCode

from engine.api.interceptors import CallInterceptor
from mailing.v1.client_service_pb2 import GetClientRequest
from tests.api.conftest import Api, refusal


async def test_a_method_is_wrapped_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped: list[str] = []
    wrap: Any = CallInterceptor._wrapped

    def counted(self: CallInterceptor, handler: Any, method: str) -> Any:
        wrapped.append(method.rpartition("/")[2])
        return wrap(self, handler, method)

    monkeypatch.setattr(CallInterceptor, "_wrapped", counted)
    client = await api.add_client("79161234567")
    for _ in range(3):
        assert (await api.clients.GetClient(GetClientRequest(client_id=client.id))).id == client.id
    assert wrapped == ["CreateClient", "GetClient"]


async def test_a_method_that_does_not_exist_is_remembered_by_nobody(api: Api) -> None:
    for number in range(3):
        method: Any = api.channel.unary_unary(f"/mailing.v1.ClientService/No{number}")
        assert (await refusal(method(b""))).code is StatusCode.UNIMPLEMENTED
    assert not [each for each in api.server._interceptor._guarded if "/No" in each]


async def test_the_server_waits_for_any_call_and_not_for_each_methods(api: Api) -> None:
    await api.add_client("79161234567")
    waiting = [task for task in asyncio.all_tasks() if "_cython" in repr(task.get_coro())]
    assert 0 < len(waiting) < 10, "grpc.aio looks at each of them at every call"
