"""The sandbox: providers that can be told to fail, and the one port at which they are reached."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Self

from aiohttp import web

from common.hosts import HostGuard
from scripts.sandbox.conversations import conversations
from scripts.sandbox.courier import PATH as RECEIPTS_PATH
from scripts.sandbox.fast import FastConnection, FastLane
from scripts.sandbox.faults import NO_FAULTS, Faults
from scripts.sandbox.ledger import Ledger
from scripts.sandbox.provider import LIST_MAX, Provider, Shared
from scripts.sandbox.replies import Replies
from scripts.sandbox.routes import application
from scripts.sandbox.service import Service, Target
from scripts.sandbox_names import DEFAULT_TOKEN

DEFAULT_KEEP: Final = 1000


class Sandbox(Provider):
    """A provider, with a port, and further ones beside it if that is wanted.

    ``async with await Sandbox.start() as sandbox:`` runs one on a free port; ``sandbox.url`` is what
    ``MAILING_PROVIDER_URL`` should be, ``sandbox.token`` the token.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
        keep: int = DEFAULT_KEEP,
        names: Sequence[str] = (),
        ledger: Ledger | None = None,
        service: Service | None = None,
        providers: int = 1,
    ) -> None:
        """Listens to nothing yet: see ``listen``.

        Args:
            token: the only bearer token that is accepted; that of ``beta`` is this one with ``-beta``.
            faults: the switches to begin with, of each provider.
            seed: decides which messages fail.
            keep: how many of the latest messages keep their text and calls.
            names: by which it may be called, beside addresses, localhost and the host it listens on.
            ledger: notes the first provider's calls in the place of one that is made here with ``keep``.
            service: which gets what people answer, and receipts when they are put on.
            providers: how many, named as in ``sandbox_names``; this object is the first of them.
        """
        shared = Shared()
        super().__init__(0, shared, token, faults, seed, Ledger(keep) if ledger is None else ledger)
        for nth in range(1, providers):
            Provider(nth, shared, token, faults, seed, Ledger(keep))
        self.providers: Sequence[Provider] = shared.providers
        self._replies = Replies(service, keep)
        if service is not None:
            self.send_all_receipts_to(service.target(RECEIPTS_PATH))
        self._names = names
        self._host = "127.0.0.1"
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._lane: FastLane | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        token: str = DEFAULT_TOKEN,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
        keep: int = DEFAULT_KEEP,
        names: Sequence[str] = (),
        ledger: Ledger | None = None,
        service: Service | None = None,
        providers: int = 1,
    ) -> Self:
        """Make one that listens; port 0: a free one.

        Raises:
            OSError: the port can't be listened on.
        """
        sandbox = cls(
            token=token,
            faults=faults,
            seed=seed,
            keep=keep,
            names=names,
            ledger=ledger,
            service=service,
            providers=providers,
        )
        await sandbox.listen(port, host=host)
        return sandbox

    async def listen(self, port: int | None = None, *, host: str | None = None) -> None:
        """Listen, or listen again after ``stop`` (on the same port, remembering everything)."""
        host = self._host if host is None else host
        hosts = HostGuard([host, *self._names])
        self._runner = web.AppRunner(
            application(self, hosts), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        assert self._runner.server is not None
        desks = {f"{provider.base}/v1/send".encode(): provider.desk for provider in self.providers}
        self._lane = lane = FastLane(desks, hosts, self._runner.server)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: FastConnection(lane),
                host,
                self._port if port is None else port,
                backlog=4096,
            )
        except OSError:
            await self._runner.cleanup()
            raise
        self._host, self._port = self._server.sockets[0].getsockname()[:2]
        for provider in self.providers:
            provider.courier.start()

    async def stop(self) -> None:
        """Close the port and every connection: from now on calls are refused, and no receipt goes."""
        if self._server is None or self._runner is None or self._lane is None:
            return
        self._server.close()
        for connection in list(self._lane.connections):
            connection.abort()
        await asyncio.gather(self._runner.cleanup(), *(provider.courier.stop() for provider in self.providers))
        self._server = self._runner = self._lane = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def root_url(self) -> str:
        """Where the page is; the control API is below ``/sandbox/``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def url(self) -> str:
        """The first provider's base URL."""
        return self.url_of(self)

    def url_of(self, provider: Provider) -> str:
        """A provider's base URL."""
        return f"{self.root_url}{provider.base}/v1"

    def send_all_receipts_to(self, target: Target) -> None:
        """Where the receipts of all providers go."""
        for provider in self.providers:
            provider.courier.target = target

    async def reply(self, phone: int, text: str) -> dict[str, object]:
        """Answer a text as the person with this number; see ``POST /sandbox/replies``.

        Raises:
            NoService: there is nobody to hand it to.
        """
        return (await self._replies.send(phone, text)).as_json()

    def conversations(self, digits: str = "", limit: int = LIST_MAX) -> dict[str, object]:
        """What ``GET /sandbox/conversations`` says."""
        ledgers = {provider.name: provider.ledger for provider in self.providers}
        found = conversations(ledgers, self._replies.by_phone(), self.accepted_by_two, digits, limit)
        return {"conversations": found, "takes_replies": self._replies.service is not None}

    def overview(self) -> dict[str, object]:
        """What ``GET /sandbox/providers`` says."""
        providers = [
            {
                "name": each.name,
                "path": each.base,
                "url": self.url_of(each),
                "stats": each.stats(),
                "faults": each.faults.as_json(),
                "receipts": each.receipts.as_json(),
            }
            for each in self.providers
        ]
        both = list(self.accepted_by_two)
        return {"providers": providers, "accepted_by_two": {"count": len(both), "ids": both[-LIST_MAX:]}}

    def reset(self) -> None:
        """Forget all messages, replies, receipts and counts, of all providers; the switches stay."""
        for provider in self.providers:
            provider.forget()
        self.accepted_by_two.clear()
        self._replies.clear()
