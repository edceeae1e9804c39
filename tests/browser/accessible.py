"""What keeps people out of a page, as axe-core finds it. Its script comes with a package: no network is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

_GRAVE: Final = ("serious", "critical")
_NODES_MAX: Final = 3
# Half way from one theme to the other a colour is neither.
_COLOURS_ARE_THERE: Final = """
Promise.allSettled(
  document.getAnimations().filter(each => each.effect.getTiming().iterations < Infinity).map(each => each.finished)
)"""


_OF_COLOURS: Final = ("color-contrast", "link-in-text-block")
Rules = Literal["all", "of colours", "but those of colours"]
_OPTIONS: Final[Mapping[Rules, dict[str, Any]]] = {
    "all": {},
    "of colours": {"runOnly": {"type": "rule", "values": _OF_COLOURS}},
    "but those of colours": {"rules": {rule: {"enabled": False} for rule in _OF_COLOURS}},
}


async def faults_of(page: Page, rules: Rules = "all") -> list[str]:
    """What is serious or critical on the page as it is now, a line each: the rule, where, and why.

    The rules of colours take most of the time. A page in another theme needs no others, and one in another language
    needs all but those.
    """
    await page.evaluate(_COLOURS_ARE_THERE)
    if not await page.evaluate("'axe' in window"):  # half a megabyte: once for a document, whatever is shown in it
        await page.evaluate(Axe().axe_script)
    options = {"resultTypes": ["violations"], "preload": False, **_OPTIONS[rules]}
    found = await page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [line for each in found if each["impact"] in _GRAVE for line in _lines(each)]


def _lines(violation: dict[str, Any]) -> Iterator[str]:
    for node in violation["nodes"][:_NODES_MAX]:
        reasons = [*node["any"], *node["all"], *node["none"]]
        why = reasons[0]["message"] if reasons else violation["help"]
        yield f"{violation['id']}: {node['target']} {node['html'][:120]}: {why}"
