"""The provider fbrq, described instead of programmed: it has to behave as the programmed one does."""

from __future__ import annotations

from engine.domain.outcome import Answer, classify
from engine.ports import Request
from engine.provider.described import DescribedProvider
from engine.provider.description import Answers, RequestTable
from engine.provider.placeholders import parse

REQUEST = RequestTable.model_validate(
    {
        "headers": {"Authorization": "Bearer {secret.token}", "Accept": "application/json"},
        "json": {"id": "{id:number}", "phone": "{phone:number}", "text": "{text}"},
    }
)
ANSWERS = Answers.model_validate({"rules": [{"means": "accepted"}]})


class DescribedFbrq:
    """Gives the answers of ``DescribedProvider`` without its verdict, which has to be the one of the status alone."""

    def __init__(self, url: str, token: str, **options: float) -> None:
        address = parse(url.replace("{", "{{").replace("}", "}}") + "/send/{id}")
        self._provider = DescribedProvider(address, REQUEST, ANSWERS, secrets={"token": token}, **options)  # type: ignore[arg-type]
        self.abilities = self._provider.abilities

    async def send(self, request: Request) -> Answer:
        """See ``engine.ports.Provider``."""
        answer = await self._provider.send(request)
        bare = answer._replace(verdict=None)
        assert answer.verdict in (None, classify(bare, 0).verdict)
        return bare

    async def close(self) -> None:
        """See ``engine.ports.Provider``."""
        await self._provider.close()
