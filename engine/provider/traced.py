"""A provider whose calls are spans of a trace."""

from __future__ import annotations

from common.tracing import Tracing
from engine.domain.outcome import Answer
from engine.ports import Abilities, Provider, Request


class TracedProvider:
    """``ports.Provider``. A text that somebody tries belongs to the trace of that request; any other one has a trace of
    its own, for nobody waits for it."""

    def __init__(self, provider: Provider, name: str, tracing: Tracing) -> None:
        self._provider, self._name, self._tracing = provider, name, tracing

    @property
    def abilities(self) -> Abilities:
        """Those of the provider itself."""
        return self._provider.abilities

    async def send(self, request: Request) -> Answer:
        """See ``ports.Provider``."""
        with self._tracing.called("send", provider=self._name, message_id=request.message_id) as span:
            answer = await self._provider.send(request)
            if answer.http_status is not None:
                span.set_attribute("http.response.status_code", answer.http_status)
            return answer

    async def close(self) -> None:
        """See ``ports.Provider``."""
        await self._provider.close()
