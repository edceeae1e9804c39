"""Limits of the contract, checked: what the ``rules`` of fields say, found wrong in a message that came.

For the engine, which decides::

    check = check_of(client_pb2.Client)            # once: the function is compiled
    for path, code, values in check(client): ...   # [Violation("tag", "TOO_LONG", {"max": 64, "count": 70})]

``path`` is the field's as errors name it (``filter.tags[3]``). ``code`` names an error of ``common.error_codes``,
``values`` are those in its sentence: ``ErrorCode[code].format(**values)`` is what is said.

All violations in a message are found, of one field the first. Looked at are lengths, patterns, ranges, numbers of
entries, words of enums, and whether times and words that are required are set; inside objects and lists, too. Fields
that only the engine writes are not looked at. What spans fields, or needs a clock, a database or a setting, is the
domain's: what a phone number is, a time zone, an end after the start.

A field that is not set is within its limits, unless it is a time or a word that is required. Of an update check the
message as it would be, or leave out violations whose path is not in the mask. Texts are looked at as they come: what
the engine takes off before it counts (a byte order mark) it takes off before it asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from keyword import iskeyword
from typing import Any, Final, NamedTuple, TypeVar

from google.protobuf.message import Message

from common.contract.codec import compiled
from common.contract.reader import Descriptor, Field, Kind, fields_of

M = TypeVar("M", bound=Message)


class Violation(NamedTuple):
    """A field that is beyond its limits."""

    path: str
    code: str
    values: Mapping[str, object]


Check = Callable[[M], list[Violation]]
_OF_A_PAGE: Final = frozenset({"page_size", "skip"})
_INDENT: Final = "    "


def check_of(kind: type[M]) -> Check[M]:
    """The function that finds all violations in a message of this kind; none: ``[]``."""
    check = _compiled(kind.DESCRIPTOR)

    def violations(message: M) -> list[Violation]:
        found: list[Violation] = []
        check(message, "", found)
        return found

    return violations


def has_rules(kind: Descriptor) -> bool:
    """Whether there is anything to check in a kind of message."""
    return any(True for _ in _checked(kind))


@cache
def _compiled(kind: Descriptor) -> Callable[[Any, str, list[Violation]], None]:
    names: dict[str, Any] = {"Violation": Violation}
    for field in _checked(kind):
        if field.rules.pattern:
            names[f"{field.name}_match"] = re.compile(field.rules.pattern).fullmatch
        if field.rules.HasField("problem"):
            names[f"{field.name}_values"] = dict(field.rules.problem.values)
        if field.words:
            names[f"{field.name}_words"] = {0, *field.words}
        if field.message is not None:
            names[f"{field.message.name}_check"] = _compiled(field.message)
    return compiled(f"{kind.name}_check", check_source(kind), names)  # type: ignore[no-any-return]


def check_source(kind: Descriptor) -> str:
    """Its text."""
    lines = [f"def {kind.name}_check(m, path, found):"]
    for field in _checked(kind):
        lines += [_INDENT + line for line in _field_lines(field)]
    return "\n".join([*lines, ""]) if len(lines) > 1 else f"{lines[0]}\n{_INDENT}pass\n"


def _checked(kind: Descriptor) -> Iterator[Field]:
    """The fields that have something to check."""
    for field in fields_of(kind):
        if field.is_output_only or field.is_map or field.kind is Kind.STRUCT:
            continue  # what may be in an object of any keys the domain says
        has_time = field.kind is Kind.TIME and field.is_required
        has_entries = field.is_list and (field.is_required or field.rules.HasField("entries_max"))
        if has_time or has_entries or any(True for _ in _conditions(field, "", "")):
            yield field


def _field_lines(field: Field) -> Iterator[str]:
    """Statements that look at one field of ``m``."""
    if field.kind is not Kind.TIME:
        value = f'getattr(m, "{field.name}")' if iskeyword(field.name) else f"m.{field.name}"
        yield f"value = {value}"
    where = f'f"{{path}}{field.name}"'
    if field.is_list:
        yield from _list_lines(field)
        return
    lines = list(_conditions(field, "value", where))
    if field.kind is Kind.TIME:
        yield f'if not m.HasField("{field.name}"):'
        yield _INDENT + _violation(where, "REQUIRED")
    elif field.has_presence and not _is_empty_good(field):
        yield f'if m.HasField("{field.name}"):'
        yield from (_INDENT + line for line in lines)
    else:
        yield from lines


def _is_empty_good(field: Field) -> bool:
    """Whether an empty text, as which one is read that is not set, is within its limits: it need not be told apart."""
    rules = field.rules
    is_fit = not rules.length_min and (not rules.pattern or re.fullmatch(rules.pattern, "") is not None)
    return field.kind is Kind.TEXT and is_fit


def _list_lines(field: Field) -> Iterator[str]:
    each = list(_conditions(field, "each", f'f"{{path}}{field.name}[{{index}}]"'))
    loop = ["for index, each in enumerate(value):", *(_INDENT + line for line in each)] if each else []
    if field.is_required:
        yield "if not value:"
        yield _INDENT + _violation(f'f"{{path}}{field.name}"', "EMPTY")
    if not field.rules.HasField("entries_max"):
        yield from loop
        return
    most = field.rules.entries_max
    yield f"if len(value) > {most}:"
    yield _INDENT + _violation(f'f"{{path}}{field.name}"', "TOO_MANY_ENTRIES", max=most, count="len(value)")
    if loop:
        yield "else:"
        yield from (_INDENT + line for line in loop)


def _conditions(field: Field, value: str, where: str) -> Iterator[str]:
    """Statements that look at one value; the first that is so ends them."""
    if field.kind is Kind.WORD:
        if field.is_required:
            yield f"if {value} == 0:"
            yield _INDENT + _violation(where, "REQUIRED")
        yield f"if {value} not in {field.name}_words:"
        if field.rules.HasField("problem"):
            yield _INDENT + _of_problem(field, where)
        else:
            yield _INDENT + _violation(where, "UNKNOWN_NUMBER", number=value)
    elif field.message is not None:
        if has_rules(field.message):
            yield f'{field.message.name}_check({value}, {where[:-1]}.", found)'
    else:
        keyword = "if"
        for condition, violation in _limits(field, value, where):
            yield f"{keyword} {condition}:"
            yield _INDENT + violation
            keyword = "elif"


def _limits(field: Field, value: str, where: str) -> Iterator[tuple[str, str]]:
    """Conditions under which a text or a number is bad, and what to say then."""
    rules = field.rules
    count = f"len({value})"
    if rules.HasField("length_min"):
        lengths = {"min": rules.length_min, "max": rules.length_max, "count": count}
        yield f"not {rules.length_min} <= {count} <= {rules.length_max}", _violation(where, "BAD_LENGTH", **lengths)
    elif rules.HasField("length_max"):
        yield f"{count} > {rules.length_max}", _violation(where, "TOO_LONG", max=rules.length_max, count=count)
    if rules.pattern:
        if rules.problem.code == "NULL_CHARACTER" and not rules.length_min and not _is_empty_good(field):
            yield f"not {value}", _violation(where, "EMPTY")
        yield f"{field.name}_match({value}) is None", _of_problem(field, where)
    if rules.HasField("minimum") or _is_whole_of_body(field):
        sign = "<" if rules.above_minimum else "<="
        least, most = (
            map(str, field.whole_range)
            if field.kind is Kind.WHOLE
            else (_number(rules.minimum), _number(rules.maximum))
        )
        condition = f"not {least} {sign} {value} <= {most}"
        if rules.HasField("problem"):
            yield condition, _of_problem(field, where)
        else:
            yield condition, _violation(where, "OUT_OF_RANGE", min=least, max=most)


def _is_whole_of_body(field: Field) -> bool:
    """Whether it is a whole number that callers write, which has a range even if its rules name none. How large a page
    is, and how much is skipped, is looked at where pages are made."""
    return field.kind is Kind.WHOLE and field.is_written and field.name not in _OF_A_PAGE


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)


def _of_problem(field: Field, where: str) -> str:
    return f'found.append(Violation({where}, "{field.rules.problem.code}", {field.name}_values))'


def _violation(where: str, code: str, **values: object) -> str:
    shown = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return f'found.append(Violation({where}, "{code}", {{{shown}}}))'
