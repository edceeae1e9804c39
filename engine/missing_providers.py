"""Providers that are in the file no more though messages wait for them: those that may have reached them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from common.logs import get_logger
from engine.ports import StoreUnavailable
from engine.store.errors import TooLong
from engine.store.store import Store

log = get_logger(__name__)

_PERIOD_SECONDS: Final = 60.0


class MissingProviders:
    """Looks them up once a minute: what is looked up changes with the file, with receipts and with ends of mailings."""

    def __init__(self, store: Store, names: Collection[str], period_seconds: float = _PERIOD_SECONDS) -> None:
        """``names``: the providers that there are."""
        self._store, self._names, self._period_seconds = store, sorted(names), period_seconds
        self._found: Mapping[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def found(self) -> Mapping[str, int]:
        """How many messages wait, by the provider's name; as of the last look."""
        return self._found

    def notes(self) -> Iterator[str]:
        """A line about each, for operators."""
        for name, number in self._found.items():
            yield f"provider {name} is no longer in the file; {number} messages wait for its answer"

    async def look(self) -> None:
        """Look them up now; raises what the store raises."""
        found = await self._store.waiting_for_others(self._names)
        for name in sorted(found.keys() - self._found.keys()):
            log.warning("provider.missing", provider=name, messages=found[name])
        self._found = dict(sorted(found.items()))

    def start(self) -> None:
        """Look in the background, now and once a period."""
        self._task = asyncio.create_task(self._run(), name="missing providers")

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (StoreUnavailable, TooLong) as error:
                log.debug("provider.missing_unknown", error=str(error))  # the store has warned of it
            except Exception:
                # Nothing depends on it before the next time; but this task must not die of it unseen.
                log.exception("provider.missing_failed")
            await asyncio.sleep(self._period_seconds)
