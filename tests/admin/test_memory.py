"""What the panel's scripts keep outside of what they draw. When somebody else signs in, all is drawn anew, and nothing
of the person before stays in memory. tests/browser/panel.py rests on the same.

Nothing is run here: the files of ``admin/static`` are read as texts.
"""

from __future__ import annotations

import re
from typing import Final

from admin.index import STATIC

KEPT: Final = {
    ("i18n.js", "formats"),  # how numbers and times are written
    ("i18n.js", "language"),
    ("theme.js", "ofSystem"),
}
"""Of the browser, and not of a person."""
VARIABLE: Final = re.compile(r"^(?:export )?(?:let|var) (\w+)", re.MULTILINE)
CONTAINER: Final = re.compile(r"^(?:export )?const (\w+) = (?:new \w+\(\)|\{\}|createContext\()", re.MULTILINE)
WRITTEN: Final = r"\b%s(?:\[[^\]]*\] = |\.\w+ = |\.(?:push|unshift|splice|set|add)\()"
LIST: Final = re.compile(r"^(?:export )?const (\w+) = \[", re.MULTILINE)


def test_nothing_of_a_person_is_kept() -> None:
    found = set()
    for path in sorted(STATIC.rglob("*.js")):
        name, text = path.relative_to(STATIC).as_posix(), path.read_text()
        found |= {(name, each) for pattern in (VARIABLE, CONTAINER) for each in pattern.findall(text)}
        found |= {(name, each) for each in LIST.findall(text) if re.search(WRITTEN % each, text)}
    assert found == KEPT
