"""One provider: its switches, its ledger, its receipts. No sockets here, but for the receipts that it hands in."""

from __future__ import annotations

import time
from typing import Final

from scripts.sandbox.courier import Courier
from scripts.sandbox.desk import Desk
from scripts.sandbox.faults import NO_FAULTS, Faults
from scripts.sandbox.ledger import Call, Ledger
from scripts.sandbox.receipts import Receipts, ReceiptSwitches
from scripts.sandbox.service import NoService
from scripts.sandbox_names import NAMES, base_of, token_of

LIST_MAX: Final = 1000


class Shared:
    """What the providers of one sandbox know of each other."""

    def __init__(self) -> None:
        self.providers: list[Provider] = []
        self.accepted_by_two: dict[int, None] = {}


class Provider:
    """A provider that can be told to fail."""

    def __init__(self, nth: int, shared: Shared, token: str, faults: Faults, seed: int, ledger: Ledger) -> None:
        """Args: nth: its place in ``NAMES``; seed: decides which messages fail, at each provider others."""
        self.name = NAMES[nth]
        self.base = base_of(nth)
        """What its paths begin with."""
        self.ledger = ledger
        self.desk = Desk(token_of(nth, token), faults, seed + nth, ledger)
        self._receipts = Receipts(seed + nth, ledger)
        self.courier = Courier(self._receipts)
        self.accepted_by_two = shared.accepted_by_two
        """Ids that two providers of this sandbox accepted, in this order. There must never be one."""
        self._shared = shared
        shared.providers.append(self)
        for provider in shared.providers:
            provider.listen_to_desk()

    def listen_to_desk(self) -> None:
        """Hear of each text that is accepted, if anything follows from it: benches have one provider, no receipts."""
        is_alone = len(self._shared.providers) == 1
        self.desk.on_accepted = None if is_alone and not self.receipts.enabled else self._note_accepted

    def _note_accepted(self, message_id: int, at_us: int) -> None:
        for other in self._shared.providers:
            if other is not self and other.ledger.accepted_calls(message_id):
                self.accepted_by_two[message_id] = None
        if self._receipts.switches.enabled and self.ledger.accepted_calls(message_id) == 1:
            self._receipts.plan(message_id, at_us)

    @property
    def token(self) -> str:
        """The token that is accepted."""
        return self.desk.token

    @property
    def faults(self) -> Faults:
        """The switches as they are."""
        return self.desk.faults

    def set_faults(self, **changes: object) -> Faults:
        """Change some switches; the others stay.

        Raises:
            BadSwitches: unknown names or values.
        """
        changed = self.desk.faults.changed(changes)
        # By identity: the desk recognises "no faults" with one comparison.
        self.desk.faults = NO_FAULTS if changed == NO_FAULTS else changed
        return self.desk.faults

    def clear_faults(self) -> None:
        """Everything works again."""
        self.desk.faults = NO_FAULTS

    @property
    def receipts(self) -> ReceiptSwitches:
        """The switches of its receipts as they are."""
        return self._receipts.switches

    def set_receipts(self, **changes: object) -> ReceiptSwitches:
        """Change some switches of the receipts; the others stay. What waits still goes when they are put off.

        Raises:
            BadSwitches: unknown names or values.
            NoService: there is nobody to hand receipts to.
        """
        changed = self._receipts.switches.changed(changes)
        if changed.enabled and self.courier.target is None:
            raise NoService("the sandbox was not told where receipts go: --service-url or --receipts-url")
        self._receipts.switches = changed
        self.listen_to_desk()
        return changed

    def stats(self) -> dict[str, object]:
        """What ``GET /sandbox/stats`` says."""
        return self.ledger.stats(time.time_ns() // 1000) | {"receipts": self._receipts.stats()}

    @property
    def requests(self) -> int:
        """Requests of any kind to ``/v1/send/``."""
        return self.ledger.requests

    @property
    def accepted(self) -> int:
        """Calls answered with success."""
        return self.ledger.accepted

    def count(self, message_id: int) -> int:
        """How often the id was called, however it was answered."""
        return self.ledger.calls(message_id)

    def accepted_count(self, message_id: int) -> int:
        """How often a call for the id was answered with success."""
        return self.ledger.accepted_calls(message_id)

    def accepted_ids(self) -> list[int]:
        """Every id that was accepted at least once."""
        return self.ledger.accepted_ids()

    def calls(self, message_id: int) -> list[Call]:
        """The calls for an id, oldest first (of the latest ``keep`` messages; 100 calls of each)."""
        message = self.ledger.latest.get(message_id)
        return list(message.calls) if message is not None else []

    def messages(
        self, *, message_id: int | None = None, phone: int | None = None, limit: int = LIST_MAX
    ) -> list[dict[str, object]]:
        """What ``GET /sandbox/messages`` says."""
        return self.ledger.find(message_id, phone, limit)

    def forget(self) -> None:
        """Forget all messages, receipts and counts; the switches stay."""
        self.ledger.clear()
        self._receipts.clear()
        self.courier.restart()
