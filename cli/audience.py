"""Whom a mailing is for, as options of a command and in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import typer
from rich.text import Text

from cli import show
from cli.failures import UsageFailure
from cli.plain import plain
from cli.session import Session
from common.attribute_cells import cell_text, cell_value, is_attribute_name
from common.contract.values import value_json, value_proto
from mailing.v1.mailing_pb2 import AttributeCondition, AttributeOp, AudienceFilter, MailingWarning, MessageCondition

Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only clients with this tag; may be repeated.")]
Codes = Annotated[list[str] | None, typer.Option("--phone-code", help="Only this operator code; may be repeated.")]
NotTags = Annotated[list[str] | None, typer.Option("--not-tag", help="No clients with this tag; may be repeated.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="What an attribute must be like: city=Omsk, city!=Omsk, visits>=5, last_visit<=2026-01-31, city (it is "
        "there), !city. May be repeated: all must hold, but = and != of one name are alternatives.",
    ),
]

_CONDITION: Final = re.compile(r"(?P<not>!?)(?P<name>[^!<>=]+?)(?:(?P<sign>=|!=|>=|<=)(?P<value>.*))?", re.DOTALL)
_OPS: Final = {
    "=": AttributeOp.ATTRIBUTE_OP_ANY_OF,
    "!=": AttributeOp.ATTRIBUTE_OP_NONE_OF,
    ">=": AttributeOp.ATTRIBUTE_OP_AT_LEAST,
    "<=": AttributeOp.ATTRIBUTE_OP_AT_MOST,
}
_EMPTIED_WHOLE: Final = ("tags", "phone_codes")
"""Where ``--all-…`` goes before entries that are given beside it."""
_LISTS: Final = (AttributeOp.ATTRIBUTE_OP_ANY_OF, AttributeOp.ATTRIBUTE_OP_NONE_OF)
_SIGNS: Final = {op: sign for sign, op in _OPS.items()}


def audience_of(
    tags: Sequence[str] | None,
    phone_codes: Sequence[str] | None,
    not_tags: Sequence[str] | None,
    where: Sequence[str] | None,
) -> AudienceFilter:
    """The filter that the options say. Raises UsageFailure: a condition can't be understood."""
    return AudienceFilter(
        tags=tags or (),
        phone_codes=phone_codes or (),
        exclude_tags=not_tags or (),
        attributes=conditions_of(where or ()),
    )


def edit_audience(changed: AudienceFilter, **given: tuple[Sequence[str] | None, bool]) -> list[str]:
    """Put into a filter what is given; returns the paths of it.

    Args:
        given: by field, what the option says, and whether the field is to restrict no more.
    """
    paths = []
    for name, (entries, is_emptied) in given.items():
        if entries or is_emptied:
            kept: Sequence[str] = [] if is_emptied and name in _EMPTIED_WHOLE else entries or []
            getattr(changed, name).extend(conditions_of(kept) if name == "attributes" else kept)
            paths.append(f"filter.{name}")
    return paths


def conditions_of(texts: Iterable[str]) -> list[AttributeCondition]:
    """Conditions as people write them. Raises UsageFailure."""
    found: list[AttributeCondition] = []
    for text in texts:
        condition = _condition(text)
        alike = [each for each in found if (each.name, each.op) == (condition.name, condition.op) and each.op in _LISTS]
        if alike:
            alike[0].values.extend(condition.values)
        else:
            found.append(condition)
    return found


def _condition(text: str) -> AttributeCondition:
    match = _CONDITION.fullmatch(text.strip())
    name = match["name"].strip() if match else ""
    if match is None or not is_attribute_name(name) or (match["not"] and match["sign"]):
        hint = "" if name.isascii() else "; names of attributes are Latin, as the list of clients shows them"
        raise UsageFailure(f"--where: {text!r} is no condition: write city=Omsk, visits>=5, city or !city{hint}")
    if match["sign"] is None:
        op = AttributeOp.ATTRIBUTE_OP_IS_NOT_SET if match["not"] else AttributeOp.ATTRIBUTE_OP_IS_SET
        return AttributeCondition(name=name, op=op)
    value = cell_value(match["value"].strip())
    return AttributeCondition(name=name, op=_OPS[match["sign"]], values=[value_proto("" if value is None else value)])


def audience_rows(filter: AudienceFilter) -> list[tuple[str, str | Text]]:
    """Lines of a sheet."""
    rows: list[tuple[str, str | Text]] = [
        ("tags", _entries(filter.tags)),
        ("phone codes", _entries(filter.phone_codes)),
    ]
    if filter.exclude_tags:
        rows.append(("not tags", _entries(filter.exclude_tags)))
    rows += [("where", show.cut(_words(each), 200)) for each in filter.attributes]
    if filter.client_ids:
        rows.append(("only", f"{show.number(len(filter.client_ids))} clients by id"))
    if filter.HasField("messages"):
        rows.append(("messages", _messages_words(filter.messages)))
    return rows


def _messages_words(condition: MessageCondition) -> str:
    """As in `of mailing 7: not_sent (expired, rejected)`."""
    said = plain(condition)
    reasons = f" ({', '.join(said['reasons'])})" if said["reasons"] else ""
    statuses = said["statuses"] + said["delivery"]
    return f"of mailing {condition.mailing_id}: {', '.join(statuses) or 'any'}{reasons}"


def _words(condition: AttributeCondition) -> str:
    values = " or ".join(cell_text(value_json(value)) for value in condition.values)
    if condition.op in _SIGNS:
        return f"{condition.name} {_SIGNS[condition.op]} {values}"
    return condition.name if condition.op == AttributeOp.ATTRIBUTE_OP_IS_SET else f"!{condition.name}"


def _entries(entries: Iterable[str]) -> str:
    return ", ".join(show.cut(entry, 64) or "(none)" for entry in entries) or "all"


def show_warnings(session: Session, warnings: Iterable[MailingWarning]) -> None:
    """Tell what may not be as it was meant."""
    if not session.json:
        for each in warnings:
            session.err.print(Text(f"note: {each.message}", "yellow"))
