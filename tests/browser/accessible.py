"""What keeps people out of a page, as axe-core finds it. Its script comes with a package: no network is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

_GRAVE: Final = ("serious", "critical")
_NODES_MAX: Final = 3
# Half way from one theme to the other a colour is neither.
_COLOURS_ARE_THERE: Final = """
Promise.allSettled(
  document.getAnimations().filter(each => each.effect.getTiming().iterations < Infinity).map(each => each.finished)
)"""


async def faults_of(page: Page) -> list[str]:
    """What is serious or critical on the page as it is now, a line each: the rule, where, and why."""
    await page.evaluate(_COLOURS_ARE_THERE)
    found = await Axe().run(page)
    return [line for each in found.response["violations"] if each["impact"] in _GRAVE for line in _lines(each)]


def _lines(violation: dict[str, Any]) -> Iterator[str]:
    for node in violation["nodes"][:_NODES_MAX]:
        reasons = [*node["any"], *node["all"], *node["none"]]
        why = reasons[0]["message"] if reasons else violation["help"]
        yield f"{violation['id']}: {node['target']} {node['html'][:120]}: {why}"
