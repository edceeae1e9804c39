"""The request of a described provider, compiled: what is the same for each call is made once.

Keys that need a sender or an end are left out where a message has none, so there is one shape for each combination.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from engine.ports import Request
from engine.provider.description import RequestTable
from engine.provider.http import checked_url
from engine.provider.placeholders import (
    VALIDITY,
    Filling,
    Format,
    Hole,
    Template,
    Writer,
    in_address,
    in_form,
    in_header,
    in_json,
    names_in,
)

_CONTENT_TYPES: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_SAMPLE: Final = Request(1, 79000000000, "x", 1.0, "x", 60.0, 1)
"""A message to make a first address of: it shows whether the client takes it."""


class Shape(NamedTuple):
    """A request with holes."""

    url: Format
    body: Format | None
    headers: tuple[tuple[str, Format], ...]


class Shapes:
    """All shapes of one provider's requests."""

    def __init__(self, url: Template, table: RequestTable, filling: Filling) -> None:
        """Compile them.

        Raises:
            ValueError: the address can't be called; the words follow the name of the key ``url``.
        """
        self._url, self._table, self._filling = url, table, filling
        self.constant_headers = self._constant_headers()
        self._shapes = {
            (has_sender, has_end): self._shape(has_sender, has_end)
            for has_sender in (False, True)
            for has_end in (False, True)
        }
        self.sample_url = checked_url(self._shapes[True, True].url.fill(_SAMPLE), with_query=True)
        _check_authority(url, self.sample_url)

    def shape_of(self, request: Request) -> Shape:
        """The one for a message."""
        return self._shapes[bool(self._filling.sender_of(request)), request.valid_seconds > 0]

    def _shape(self, has_sender: bool, has_end: bool) -> Shape:
        missing = frozenset(() if has_sender else ("sender",)) | frozenset(() if has_end else VALIDITY)
        table, changing = self._table, (item for item in self._table.headers.items() if _is_changing(item[1]))
        body = None
        if table.json_ is not None:
            writer = Writer(self._filling)
            _write_json(writer, table.json_, missing)
            body = writer.done()
        elif table.form is not None:
            writer = Writer(self._filling)
            _write_fields(writer, table.form, missing, in_form)
            body = writer.done()
        headers = tuple((name, self._format(value)) for name, value in changing if not names_in([value]) & missing)
        return Shape(self._address(missing), body, headers)

    def _address(self, missing: frozenset[str]) -> Format:
        writer = Writer(self._filling)
        for part in self._url:  # what is written there by hand is part of the address as it is
            if isinstance(part, str):
                writer.literal(part)
            else:
                writer.template((part,), in_address)
        query = {key: value for key, value in self._table.query.items() if not names_in([value]) & missing}
        if query:
            has_query = any(isinstance(part, str) and "?" in part for part in self._url)
            writer.literal("&" if has_query else "?")
            _write_fields(writer, query, missing, in_address)
        return writer.done()

    def _format(self, template: Template) -> Format:
        writer = Writer(self._filling)
        writer.template(template, in_header)
        return writer.done()

    def _constant_headers(self) -> dict[str, str]:
        table = self._table
        headers = {"accept": "*/*"}
        for key, value in (("json", table.json_), ("form", table.form)):
            if value is not None:
                headers["content-type"] = _CONTENT_TYPES[key]
        for name, template in table.headers.items():
            if not _is_changing(template):
                headers[name] = self.constant(template)
        if table.basic is not None:
            headers["authorization"] = basic(self.constant(table.basic.user), self.constant(table.basic.password))
        return headers

    def constant(self, template: Template) -> str:
        """A text that has secrets only."""
        return self._format(template).fill(_SAMPLE)


def basic(user: str, password: str) -> str:
    """The value of the header ``Authorization`` by HTTP's basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_changing(template: Template) -> bool:
    return any(isinstance(part, Hole) and not part.secret for part in template)


def _check_authority(url: Template, sample: str) -> None:
    """No host comes from a message: a text could choose who gets it."""
    before = ""
    for part in url:
        if isinstance(part, str):
            before += part
        elif not part.secret and before.count("/") < 3:
            raise ValueError(f"has {{{part.name}}} before its path: {sample.split('/')[2]} is chosen by a message")


def _write_fields(writer: Writer, fields: Mapping[str, Template], missing: frozenset[str], encode: Any) -> None:
    kept = [(key, value) for key, value in fields.items() if not names_in([value]) & missing]
    for place, (key, value) in enumerate(kept):
        writer.literal(f"{'&' if place else ''}{encode(key)}=")
        writer.template(value, encode)


def _write_json(writer: Writer, value: Any, missing: frozenset[str]) -> None:
    """Write a value with templates in it; what needs something that is missing is left out of its list or object."""
    if isinstance(value, dict):
        writer.literal("{")
        for place, (key, each) in enumerate((key, each) for key, each in value.items() if not _lacks(each, missing)):
            writer.literal(f"{',' if place else ''}{json.dumps(key)}:")
            _write_json(writer, each, missing)
        writer.literal("}")
    elif isinstance(value, list):
        writer.literal("[")
        for place, each in enumerate(each for each in value if not _lacks(each, missing)):
            writer.literal("," if place else "")
            _write_json(writer, each, missing)
        writer.literal("]")
    elif isinstance(value, tuple):
        is_number = any(isinstance(part, Hole) and part.is_number for part in value)
        quotation_mark = "" if is_number else '"'
        writer.literal(quotation_mark)
        writer.template(value, in_json)
        writer.literal(quotation_mark)
    else:
        writer.literal(json.dumps(value))


def _lacks(value: Any, missing: Iterable[str]) -> bool:
    return isinstance(value, tuple) and bool(names_in([value]) & frozenset(missing))
