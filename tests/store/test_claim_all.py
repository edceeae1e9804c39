"""Claims of several mailings in one transaction."""

from __future__ import annotations

from engine.domain.routing import OF_FBRQ, Ask
from engine.ports import Claim
from engine.store import Store
from tests.store.world import BY, LEASE, NOW, add_clients, add_engine, add_mailing


def _seen(claim: Claim) -> tuple[object, ...]:
    person = claim.person and (claim.person.attributes, claim.person.tag)
    return (*claim._replace(message_id=0, mailing_id=0, person=None), person)


async def test_each_ask_gets_what_a_claim_of_its_own_would(store: Store) -> None:
    await add_clients(store, 5)
    by_turn = [await add_mailing(store) for _ in range(3)]
    by_claim = [await add_mailing(store) for _ in range(3)]
    owner = await add_engine(store)
    for mailing_id in (by_turn[1], by_claim[1]):
        await store.set_paused(mailing_id, True, by=BY, now_us=NOW)
    limits, personal = (3, 9, 4), (False, False, True)
    asks = [Ask(*ask, OF_FBRQ) for ask in zip(by_turn, limits, personal, strict=True)][::-1]
    lists = (await store.claim_all(asks, owner=owner, now_us=NOW, lease_until_us=LEASE))[::-1]
    for number, mailing_id in enumerate(by_claim):
        alone = await store.claim(
            mailing_id, limits[number], owner=owner, now_us=NOW, lease_until_us=LEASE, personal=personal[number]
        )
        assert {claim.mailing_id for claim in lists[number]} <= {by_turn[number]}
        assert [_seen(claim) for claim in lists[number]] == [_seen(claim) for claim in alone]
    assert [len(claims) for claims in lists] == [3, 0, 4]
    again = await store.claim_all(asks, owner=owner, now_us=NOW, lease_until_us=LEASE)
    assert [len(claims) for claims in again] == [1, 0, 2]
