"""What a described provider's answer means, by the rules of its description.

A 2xx that no rule knows is an unknown outcome, and so is one that can't be read: nothing here guesses that a text was
not sent. Other statuses that no rule knows mean what they mean everywhere (``engine.domain.outcome``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from engine.domain.outcome import Answer, Verdict
from engine.provider.description import Answers, Rule
from engine.provider.http import MISADDRESSED, REDIRECTED, REDIRECTS, SUCCESS, Reply
from engine.provider.patterns import Expression
from engine.provider.pointer import Find, compiled, word_of
from engine.provider.reply import read_value, text_of

ID_CHARACTERS_MAX: Final = 255
"""A longer name for a message is none that anybody could look up."""
_VERDICTS: Final = {
    "accepted": Verdict.SENT,
    "rejected": Verdict.REJECTED,
    "busy": Verdict.BUSY,
    "blocked": Verdict.BLOCKED,
    "failed": Verdict.RETRY,
    "unknown": Verdict.UNKNOWN,
}
_UNKNOWN_WORDS: Final = " with an answer that the provider's description does not know"

Excerpt = Callable[[bytes], str]
"""The beginning of a body as people may see it."""


class _Fit(NamedTuple):
    """A rule, compiled."""

    verdict: Verdict
    find: Find | None
    values: frozenset[str] | None
    pattern: Expression | None

    def fits(self, value: Any, reply: Reply) -> bool:
        """Whether the body fits; its status does. ``value`` is ``None`` where the body is no JSON."""
        if self.find is not None:
            found = self.find(value)
            if found is None or (self.values is not None and word_of(found) not in self.values):
                return False
        return self.pattern is None or self.pattern.is_in(_text(reply))


class Judge:
    """Judges the answers of one provider."""

    def __init__(self, answers: Answers) -> None:
        self._is_json = answers.format == "json"
        self._rules = _by_status(answers.rules)
        self._find_id = _finder(answers.provider_message_id)
        self._id_pattern = _searcher(answers.provider_message_id_pattern)
        self._find_detail = _finder(answers.detail)
        self._tells_id = answers.has_provider_message_id
        self._accepted = {status: Answer(status, True, "", verdict=Verdict.SENT) for status in self._rules}

    def judge(self, reply: Reply, excerpt: Excerpt) -> Answer:
        """The answer, judged; ``excerpt`` is asked where the text was not accepted."""
        status = reply.response.status
        value = self._value(reply) if self._is_json else None
        is_readable = (value is not None or not self._is_json) and not reply.is_too_large
        verdict: Verdict | None = None
        if is_readable or status not in SUCCESS:
            verdict = self._verdict(status, value, reply)
        if verdict is Verdict.SENT:
            if not self._tells_id:
                return self._accepted[status]
            return Answer(status, True, "", None, True, 0, self._message_id(reply, value), verdict)
        return self._failure(reply, value, verdict, excerpt, is_readable)

    def _verdict(self, status: int, value: Any, reply: Reply) -> Verdict | None:
        """By the first rule that fits; ``None``: by the status alone."""
        for rule in self._rules.get(status, ()):
            if rule.fits(value, reply):
                return rule.verdict
        return Verdict.UNKNOWN if status in SUCCESS else None

    @staticmethod
    def _value(reply: Reply) -> Any:
        """The body as JSON, ``{}`` where it is empty; ``None``: it is none."""
        try:
            value = orjson.loads(reply.body)  # nearly every body
        except orjson.JSONDecodeError:
            if reply.is_too_large:
                return None
            value = read_value(reply.body, reply.content_type)
        return value if isinstance(value, dict | list) else None

    def _message_id(self, reply: Reply, value: Any) -> str | None:
        if self._find_id is not None:
            found = self._find_id(value)
            if isinstance(found, bool) or not isinstance(found, str | int):
                return None
            name = str(found)
        elif self._id_pattern is not None:
            name = self._id_pattern.part_of(_text(reply))
        else:
            return None
        return name if 0 < len(name) <= ID_CHARACTERS_MAX else None

    def _failure(
        self, reply: Reply, value: Any, verdict: Verdict | None, excerpt: Excerpt, is_readable: bool
    ) -> Answer:
        status = reply.response.status
        if reply.is_too_large:
            words = f"HTTP {status}: the body is larger than 64 KiB"
            return Answer(status, False, words, reply.retry_after, verdict=verdict)
        words = f"HTTP {status}"
        if status in SUCCESS and not is_readable:
            words += MISADDRESSED
        elif status in SUCCESS and verdict is Verdict.UNKNOWN:
            words += _UNKNOWN_WORDS
        elif status in REDIRECTS:
            words += REDIRECTED
        said = self._find_detail(value) if self._find_detail is not None else None
        shown = excerpt((said if isinstance(said, str) else _text(reply)).encode("utf-8", "replace"))
        valid = is_readable or status not in SUCCESS
        return Answer(status, valid, f"{words}: {shown}" if shown else words, reply.retry_after, verdict=verdict)


def _text(reply: Reply) -> str:
    return text_of(reply.body, reply.content_type)


def _finder(pointer: str | None) -> Find | None:
    return None if pointer is None else compiled(pointer)


def _searcher(pattern: str | None) -> Expression | None:
    return None if pattern is None else Expression(pattern)


def _by_status(rules: Sequence[Rule]) -> Mapping[int, Sequence[_Fit]]:
    """The rules that speak of each status, in their order."""
    found: dict[int, list[_Fit]] = {}
    for rule in rules:
        fit = _Fit(_VERDICTS[rule.means], _finder(rule.pointer), rule.values, _searcher(rule.pattern))
        for status in rule.status:
            found.setdefault(status, []).append(fit)
    return found
