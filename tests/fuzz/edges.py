"""Where bytes of strangers come in, and what holds there whatever they are.

INVARIANT. For every input each edge
  1  answers, or refuses with the error that its callers turn into a clear answer; nothing else is raised
  2  refuses on one line, without a secret in it
  3  says the same however the bytes are cut into pieces
  4  invents nothing: a phone number has the digits that were written, a page token is one that we gave out

``EDGES`` is the table; ``tests/fuzz/corpus`` has the inputs that are kept; ``scripts/fuzz`` runs long.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hypothesis import strategies as st

from common.command_line import BadSettings
from common.settings import Program
from engine import postgres_url
from engine.api.paging import page_of, token_after
from engine.domain.errors import InvalidInput
from engine.domain.outcome import Answer, Verdict, classify
from engine.domain.phone import PHONE_LENGTH, normalise
from engine.provider.reply import code_of, read_reply
from engine.settings import ENGINE
from gateway.settings import GATEWAY
from gateway.tables.csv_rows import ImportRow, RowError, RowReader, UnreadableInput
from gateway.tables.encodings import encoding_of
from mailing.v1 import client_service_pb2, message_service_pb2
from tests.fuzz.corpus import edited, kept, words

SECRET: Final = "Tr0ub4dor-and-3"
"""Stands in the kept inputs wherever a secret may stand."""
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True)
class Edge:
    """One of them."""

    name: str
    check: Callable[[bytes], None]
    """Give it one input; raises AssertionError when the invariant is broken."""
    words: tuple[bytes, ...]
    """Pieces that mean something there: new inputs are made with them out of the kept ones."""

    @property
    def inputs(self) -> st.SearchStrategy[bytes]:
        """New inputs."""
        return st.one_of(edited(list(kept(self.name).values()), self.words), st.binary(max_size=200))


def _one_line(error: Exception, hidden: str | None = None) -> None:
    text = str(error)
    assert hidden is None or hidden not in text
    assert text.strip()
    assert len(text.splitlines()) == 1, text


# -- the provider's answer: a line with status and content type, then the body ---------------------


def provider_reply(data: bytes) -> None:
    """A 2xx is read, whatever it is; only what is no object makes its outcome unknown."""
    head, _, body = data.partition(b"\n")
    status_text, _, content_type = head.decode("latin-1").partition(" ")
    status = int(status_text) if status_text.isdecimal() and status_text.isascii() else 200
    reply = read_reply(body, content_type)
    assert reply is None or isinstance(reply, dict)
    code = 0.0 if reply is None else code_of(reply)
    assert isinstance(code, float)
    outcome = classify(Answer(status, reply is not None, "", content_type, code=code), 0)
    assert outcome.detail or outcome.verdict is Verdict.SENT
    assert outcome.retry_after_seconds is None or 0 <= outcome.retry_after_seconds < math.inf
    if status in _SUCCESS:
        wanted = Verdict.UNKNOWN if reply is None else Verdict.RETRY if code else Verdict.SENT
        assert outcome.verdict is wanted
    else:
        assert outcome.verdict is not Verdict.SENT
    if reply is not None and not body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0")):
        assert read_reply(body + b"\0", content_type) == reply or body[-1:] == b"\\"


# -- files of clients: a line with the encoding that was named, then the file ---------------------------------------


def client_rows(data: bytes) -> None:
    """Rows and errors, in the order of the lines, however the bytes come."""
    label, _, file = data.partition(b"\n")
    encoding = encoding_of(label.decode("latin-1").strip()) if label.strip() else None
    whole = _read_rows(file, encoding, len(file) or 1)
    assert whole == _read_rows(file, encoding, 1)
    assert whole == _read_rows(file, encoding, 7)
    items, refusal = whole
    if refusal is not None:
        _one_line(ValueError(refusal))
    lines = [item.line for item in items]
    assert all(1 <= line <= file.count(b"\n") + file.count(b"\r") + 1 for line in lines)
    rows = [item.line for item in items if isinstance(item, ImportRow)]
    assert rows == sorted(set(rows))
    for item in items:
        if isinstance(item, RowError):
            _one_line(ValueError(item.message))


def _read_rows(file: bytes, encoding: str | None, step: int) -> tuple[list[ImportRow | RowError], str | None]:
    reader = RowReader(encoding=encoding)
    items: list[ImportRow | RowError] = []
    try:
        for start in range(0, len(file), step):
            items += reader.feed(file[start : start + step])
        items += reader.finish()
    except UnreadableInput as error:
        # How many rows were read before it depends on the pieces; that it is refused does not.
        return [], str(error)
    return items, None


# -- settings: NAME=value a line, as in `.env` ----------------------------------------------------------


def settings(data: bytes, program: Program[Any]) -> None:
    """Settings, or a line that names the variable for each thing that is wrong, without the secrets."""
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")
    pairs = (line.partition("=") for line in text.split("\n"))
    environ = {name.strip(): value for name, sign, value in pairs if sign}
    variables = {program.variable(field): field in program.model.secret_fields for field in program.model.model_fields}
    # A file's name is shown, and stands in an address behind the "?".
    open_parts = (value.partition("?")[2] if variables.get(name) else value for name, value in environ.items())
    is_shown = any(SECRET in part for part in open_parts)
    try:
        program.load({}, environ, None)
    except BadSettings as error:
        for line in error.lines:
            _one_line(ValueError(line))
            assert line.partition(":")[0] in variables
            assert is_shown or SECRET not in line


def _assignments(program: Program[Any]) -> tuple[bytes, ...]:
    return tuple(f"\n{program.variable(field)}=".encode() for field in program.model.model_fields)


# -- a database's address ------------------------------------------------------------------------------


def database_address(data: bytes) -> None:
    """An address, or why not, without the password."""
    text = data.decode("utf-8", "replace")
    is_password = f":{SECRET}@" in text and text.count(SECRET) == 1
    try:
        url = postgres_url.parse(text)
    except ValueError as error:
        _one_line(error, SECRET if is_password else None)
        return
    assert 1 <= (url.port or 5432) <= 65535
    assert not is_password or SECRET not in url.name


# -- page tokens ----------------------------------------------------------------------------------------


def page_token(data: bytes) -> None:
    """Only what we gave out is taken, for the list that it was given for."""
    token = data.decode("utf-8", "replace")
    for request in (
        client_service_pb2.ListClientsRequest(page_token=token),
        message_service_pb2.ListMessagesRequest(page_token=token, mailing_id=7),
    ):
        try:
            page = page_of(request)
        except InvalidInput as error:
            _one_line(ValueError(*[each.field for each in error.errors]))
            continue
        assert not token or token_after(request, page.after) == token.rstrip("=")


# -- phone numbers and times -----------------------------------------------------------------------------


def phone_number(data: bytes) -> None:
    """A number has the digits that were written, in their order, and all of them."""
    text = data.decode("utf-8", "replace")
    try:
        number = str(normalise(text))
    except ValueError as error:
        _one_line(error)
        return
    assert len(number) == PHONE_LENGTH
    assert number[0] == "7"
    written = "".join(str(unicodedata.digit(c)) for c in text if unicodedata.digit(c, None) is not None)
    assert written[-10:] == number[1:]
    assert written[:-10] in ("", "7", "8")


EDGES: Final = tuple(
    Edge(name, check, words(name) + more)
    for name, check, more in (
        ("provider_reply", provider_reply, (b"[" * 3000, b"9" * 400)),
        ("client_rows", client_rows, ()),
        ("engine_settings", partial(settings, program=ENGINE), _assignments(ENGINE)),
        ("gateway_settings", partial(settings, program=GATEWAY), _assignments(GATEWAY)),
        ("database_address", database_address, ()),
        ("page_token", page_token, ()),
        ("phone_number", phone_number, ()),
    )
)
