"""engine/store/engines.py: engines, and what all of them are told."""

from __future__ import annotations

from engine.store import Store
from tests.store.world import (
    BY,
    NOW,
    add_mailing,
    mailing,
)


async def test_engines_and_control(store: Store) -> None:
    first = await store.register_engine("a:1", 4, NOW, NOW - 10)
    await store.set_control(workers=7, provider_rate=0.0, sending_paused=True, by=BY, now_us=NOW)
    second = await store.register_engine("b:2", 5, NOW + 1, NOW - 10)
    control = await store.heartbeat(second, NOW + 2, NOW - 10, seen_revision=3, workers=6, in_flight=2)
    assert (control.workers, control.provider_rate, control.sending_paused) == (7, 0.0, True)
    assert [(engine.engine_id, engine.workers, engine.in_flight) for engine in control.engines] == [
        (first, 4, 0),
        (second, 6, 2),
    ]
    assert await store.read_control(NOW - 10) == control
    assert [engine.engine_id for engine in (await store.read_control(NOW + 1)).engines] == [second]
    await store.retire_engine(second)
    after = await store.read_control(NOW - 10)
    assert after.revision > control.revision
    third = await store.register_engine("c:3", 5, NOW + 100, NOW + 50)  # nobody else is alive
    fresh = await store.read_control(NOW + 50)
    assert (fresh.workers, fresh.provider_rate, fresh.sending_paused) == (None, None, True)
    assert third > second


async def test_the_revision_grows_with_every_change_of_a_mailing(store: Store) -> None:
    async def revision() -> int:
        return (await store.read_control(0)).revision

    seen = [await revision()]
    mailing_id = await add_mailing(store, build=False)
    for change in (
        lambda: store.build_audience(mailing_id, 10, NOW, 0),
        lambda: store.update_mailing(mailing_id, lambda old: mailing(text="x"), by=BY, now_us=NOW),
        lambda: store.set_paused(mailing_id, True, by=BY, now_us=NOW),
        lambda: store.set_cancelled(mailing_id, by=BY, now_us=NOW),
        lambda: store.delete_mailing(mailing_id, by=BY, now_us=NOW),
    ):
        seen.append(await revision())
        await change()
    seen.append(await revision())
    assert sorted(set(seen)) == seen
