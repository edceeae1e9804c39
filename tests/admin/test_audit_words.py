"""The audit list's words: of every kind of event that the engine notes, and of what it notes of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from engine.domain.validate import ClientInput, MailingInput
from tests.admin.test_words import STATIC, all_words
from tests.style.tree import parse, sources

WHOLE = {"add_audit": 2, "count_audit": 3}
NOTES = {"_note": 2, "note": 0, **WHOLE}
"""What notes an event, and the place of the action among its arguments; the first two may get only its end."""
OPENED = {"filter", "phone_number"}
"""The filter is laid open, and no client's number is noted."""


def _texts(node: ast.expr) -> list[str]:
    """The texts that an expression may be."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _noted(path: Path) -> Iterator[str]:
    """The actions that a module notes: as a whole, or the end to a beginning that its helper knows."""
    calls = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]
    named = [(each, getattr(each.func, "attr", getattr(each.func, "id", ""))) for each in calls]
    actions = [(name, each.args[NOTES[name]]) for each, name in named if name in NOTES and len(each.args) > NOTES[name]]
    wholes = [action for name, action in actions if name in WHOLE]
    formatted = [each for each in wholes if isinstance(each, ast.JoinedStr)]
    beginnings = [beginning for each in formatted for beginning in _texts(each.values[0])]
    for name, action in actions:
        yield from (
            _texts(action) if name in WHOLE else (f"{each}{end}" for each in beginnings for end in _texts(action))
        )


def noted() -> set[str]:
    """Every action that the engine notes."""
    return {action for path in sources("engine/store") for action in _noted(path)}


def test_every_action_that_is_noted_has_words_and_can_be_looked_for() -> None:
    actions = noted()
    assert {"client.batch_delete", "mailing.unarchive", "suppression.remove", "engine.hold"} <= actions
    assert actions == {key.removeprefix("audit.action.") for key in all_words("ru") if key.startswith("audit.action.")}
    script = (STATIC / "pages" / "audit" / "words.js").read_text()
    [table] = re.findall(r"ACTIONS = Object.entries\(\{(.*?)\}\)", script, flags=re.DOTALL)
    kinds = {
        kind: re.findall(r'"(\w+)"', verbs) for kind, verbs in re.findall(r"(\w+): \[(.*?)\]", table, flags=re.DOTALL)
    }
    assert {f"{kind}.{verb}" for kind, verbs in kinds.items() for verb in verbs} == actions


def test_what_is_noted_of_clients_and_mailings_has_words() -> None:
    words = all_words("ru")
    names = {field.name for kind in (ClientInput, MailingInput) for field in fields(kind)} - OPENED
    assert not [name for name in sorted(names) if f"audit.detail.{name}" not in words]
