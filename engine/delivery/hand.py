"""The claims that this engine holds, from the ticker's claim to the recorder's commit.

The store's answers may overtake each other. When one says how a claim has ended, its message may be here again, claimed
anew. So a message's id does not stand for a claim: each is let go by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from engine.ports import Claim, Record, Return


class Hand:
    """Message id → claim with its present lease; what is not in it, we don't own."""

    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self.revoked: set[int] = set()
        """Claims of clients that have changed since."""

    def __len__(self) -> int:
        return len(self._claims)

    def add(self, claims: Iterable[Claim]) -> None:
        """The store has given us these."""
        self._claims |= {claim.message_id: claim for claim in claims}

    def drop(self, ended: Iterable[Claim | Record | Return]) -> None:
        """These are stored, given back or lost. A later claim of the same message stays."""
        for each in ended:
            held = self._claims.get(each.message_id)
            if held is not None and held.attempt == each.attempt:
                del self._claims[each.message_id]
        if self.revoked:
            self.revoked &= self._claims.keys()

    def claims(self) -> list[Claim]:
        """All that are not revoked."""
        return [claim for id, claim in self._claims.items() if id not in self.revoked]

    def revoked_of(self, client_ids: Collection[int] | None) -> set[int]:
        """The revoked ones of these clients, or of all."""
        if client_ids is None:
            return set(self.revoked)
        ids = frozenset(client_ids)
        return {id for id in self.revoked if self._claims[id].client_id in ids}

    def revoke(self, message_ids: Iterable[int]) -> None:
        """What was read for these messages is out of date: begin no call with it."""
        self.revoked.update(id for id in message_ids if id in self._claims)

    def revoke_clients(self, client_ids: frozenset[int]) -> None:
        """What was read of these clients is out of date."""
        self.revoke([id for id, claim in self._claims.items() if claim.client_id in client_ids])

    def revoke_mailing(self, mailing_id: int) -> None:
        """The mailing has another filter: begin no call with what was claimed by the old one."""
        self.revoke([id for id, claim in self._claims.items() if claim.mailing_id == mailing_id])

    def holds(self, claim: Claim, until_us: int) -> bool:
        """True when the claim is still ours at ``until_us``, and what it says of the client still holds."""
        held = self._claims.get(claim.message_id)
        if held is None or claim.message_id in self.revoked:
            return False
        return held.attempt == claim.attempt and held.lease_until_us > until_us

    def has(self, claim: Claim) -> bool:
        """True when the claim, which ``expiring`` has told, has been neither stored, given back nor lost."""
        # The attempt is not enough: a message that was given back has the same one when it is claimed again.
        return self._claims.get(claim.message_id) is claim

    def expiring(self, before_us: int) -> list[Claim]:
        """Claims whose lease ends before that time."""
        return [claim for claim in self._claims.values() if claim.lease_until_us < before_us]

    def renewed(self, claims: Iterable[Claim], lease_until_us: int) -> None:
        """Their leases now last until then. Claims that were dropped since the question stay dropped."""
        for claim in claims:
            if self.has(claim):
                self._claims[claim.message_id] = claim._replace(lease_until_us=lease_until_us)
