"""The panel's style sheets and its scripts agree: no rule is left over, no class is without one, none is defined twice.

Nothing is run here: the files of ``admin/static`` are read as texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from admin.index import STATIC

SHEETS = [STATIC / "panel.css", *sorted(STATIC.glob("pages/*.css"))]
OF_REACT_ADMIN = re.compile(r"Ra[A-Z]|Mui|layout$|list-page$")
NAME = re.compile(r"[a-z][a-z_]*(?:-[a-z_]+)*")


def rules(path: Path) -> Iterator[tuple[str, str]]:
    """Each rule's place (its media query, or "") and its selector."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    place, depth = "", 0
    for before, bracket in re.findall(r"([^{}]*)([{}])", text):
        depth += 1 if bracket == "{" else -1
        if bracket == "{" and before.strip().startswith("@"):
            place = before.strip()
        elif bracket == "{" and not place.startswith("@keyframes"):
            yield place, " ".join(before.split())
        elif depth == 0 and bracket == "}":
            place = ""


def classes_of_sheets() -> set[str]:
    found = {
        name for path in SHEETS for _, selector in rules(path) for name in re.findall(r"\.(-?[A-Za-z][\w-]*)", selector)
    }
    return {name for name in found if not OF_REACT_ADMIN.match(name)}


def scripts() -> dict[str, str]:
    paths = [path for path in sorted(STATIC.rglob("*.js")) if path.parent.name != "words"]
    return {path.relative_to(STATIC).as_posix(): path.read_text() for path in paths}


def test_every_rule_is_used() -> None:
    words = set(re.findall(r"[A-Za-z][\w-]*", "\n".join(re.sub(r"//.*", "", text) for text in scripts().values())))
    page = set(re.findall(r'class="([^"]+)"', (STATIC.parent / "index.py").read_text()))
    assert not classes_of_sheets() - words - page


def test_every_class_has_a_rule() -> None:
    known = classes_of_sheets()
    missing = [
        f"{name}: {each}"
        for name, text in scripts().items()
        # `className: "card wide"`, and the fixed words of `className: \`card ${…}\``
        for quoted in re.findall(r'[cC]lassName: (?:"([^"]*)"|`([^`]*)`)', text)
        for each in re.sub(r"\$\{[^}]*\}", " ", "".join(quoted)).split()
        if NAME.fullmatch(each) and each not in known
    ]
    assert not missing


def test_no_selector_is_defined_twice() -> None:
    counts = Counter(rule for path in SHEETS for rule in rules(path) if rule[1])
    assert not [rule for rule, count in counts.items() if count > 1]
