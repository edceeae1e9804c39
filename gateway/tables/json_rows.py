"""Rows of clients as JSON objects, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson

from common.error_codes import ErrorCode
from gateway.tables.columns import REASON, Column, Plan, Unknown
from gateway.tables.table_rows import ImportRow, Item, RowError
from gateway.tables.text_lines import Line

_NAME_CHARACTERS_MAX: Final = 40
_ROW_ERRORS_MAX: Final = 10
_ATTRIBUTES: Final = "attributes"
_UNKNOWN: Final = ErrorCode.ROW_UNKNOWN_FIELD.format()
_NO_TEXT: Final = ErrorCode.ROW_NOT_TEXT.format()
_NO_PHONE: Final = ErrorCode.ROW_NOT_TEXT_OR_WHOLE.format()


class JsonRows:
    """Lines in, rows and errors out."""

    columns: Sequence[Column] = ()

    def __init__(self, plan: Plan) -> None:
        self._fields, self._unknown = plan.fields, plan.unknown

    def take(self, line: Line) -> Iterator[Item]:
        """What a line is."""
        raw = (line.text,)
        if line.problem is not None:
            yield RowError(line.number, "", line.problem)
            return
        if not line.text.strip():
            return
        try:
            value = orjson.loads(line.text)
        except orjson.JSONDecodeError:
            yield RowError(line.number, "", ErrorCode.ROW_NOT_JSON.format(), raw)
            return
        if not isinstance(value, dict):
            yield RowError(line.number, "", ErrorCode.ROW_NOT_OBJECT.format(), raw)
            return
        value.pop(REASON, None)
        errors = [error._replace(raw=raw) for error in self._errors(line.number, value)]
        if errors:
            yield from errors
        else:
            given = value.get(_ATTRIBUTES)
            more = None if given is None else orjson.dumps(given).decode()
            yield ImportRow(line.number, tuple([value.get(name) for name in self._fields]), more, raw)

    def end(self) -> Iterator[Item]:
        """No line is waited for."""
        return iter(())

    def _errors(self, number: int, value: dict[str, object]) -> Iterator[RowError]:
        """What is wrong with an object; a whole number as ``phone_number`` becomes a text."""
        is_refused = self._unknown is Unknown.REFUSE
        unknown = [name for name in value if is_refused and name not in self._fields and name != _ATTRIBUTES]
        yield from (RowError(number, name[:_NAME_CHARACTERS_MAX], _UNKNOWN) for name in unknown[:_ROW_ERRORS_MAX])
        if len(unknown) > _ROW_ERRORS_MAX:
            yield RowError(number, "", ErrorCode.ROW_MORE_UNKNOWN_FIELDS.format(count=len(unknown) - _ROW_ERRORS_MAX))
        phone = value.get("phone_number")
        if isinstance(phone, int) and not isinstance(phone, bool):
            value["phone_number"] = str(phone)  # 79161234567.0 is another matter: a table program has made it a decimal
        if not isinstance(value.get(_ATTRIBUTES), dict | None):
            yield RowError(number, _ATTRIBUTES, ErrorCode.NOT_OBJECT.format())
        for name in self._fields:
            if not isinstance(value.get(name), str | None):
                yield RowError(number, name, _NO_PHONE if name == "phone_number" else _NO_TEXT)


def as_rejected(line: str, reason: str) -> str:
    """A line that was rejected, as it is handed back: with the reason, which an import ignores."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    kept: Mapping[str, object] = value if isinstance(value, dict) else {"line": line}
    return orjson.dumps({**kept, REASON: reason}).decode() + "\n"
