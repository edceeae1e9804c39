"""Sign-ins and codes that were refused, in the audit list: a flood of guesses must not fill the disk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple

from engine.domain.access import ActorKind
from engine.ports import Clock
from engine.store.rows import Actor
from engine.store.store import Store

_PERIOD_SECONDS: Final = 10.0
_UNKNOWN: Final = "(unknown)"
"""The actor of a refused sign-in: what was typed as a name may be a password."""


class _Noted(NamedTuple):
    noted_seconds: float = float("-inf")
    """When one was noted last."""
    more: int = 0
    """Since then, and not noted."""


class Refusals:
    """Notes of each kind, by what the person has shown (``with``), at most one in ten seconds: wrong passwords, which
    anybody can send, must not hide wrong codes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        monotonic: Callable[[], float],
        in_background: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """``in_background``: nobody waits for what is noted."""
        self._store, self._clock, self._monotonic, self._in_background = store, clock, monotonic, in_background
        self._noted: dict[tuple[str, ...], _Noted] = {}

    def at_sign_in(self, account_id: int | None, peer: str, detail: Mapping[str, str]) -> None:
        """Somebody was not let in. ``account_id`` is ``None`` when no account has the name."""
        self._note(account_id, Actor(_UNKNOWN, peer, ActorKind.NOBODY), detail, (detail["with"],))

    def in_session(self, account_id: int, detail: Mapping[str, str], by: Actor) -> None:
        """Somebody who is signed in has shown what is not good. The owner of an account that others try to guess must
        see it, so accounts count by themselves."""
        self._note(account_id, by, detail, ("in a session", detail["with"], str(account_id)))

    def _note(self, account_id: int | None, by: Actor, detail: Mapping[str, str], kind: tuple[str, ...]) -> None:
        now_seconds = self._monotonic()
        last = self._noted.get(kind, _Noted())
        if now_seconds - last.noted_seconds < _PERIOD_SECONDS:
            self._noted[kind] = last._replace(more=last.more + 1)
            return
        self._noted[kind] = _Noted(now_seconds)
        now_us = self._clock.now_us()
        self._in_background(self._store.note_refusal(account_id, detail, by=by, more=last.more, now_us=now_us))
