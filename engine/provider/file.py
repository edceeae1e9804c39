"""The providers' file: TOML with a ``[[provider]]`` table each; docs/providers.md says what may stand in it.

It is read once, at the start, and checked as a whole: whoever is named in it can be called. Each thing that is wrong
with it is one line, which names the file, the table and the key, and repeats no secret.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from common.command_line import BadSettings
from common.terminal import visible
from engine.ports import Provider
from engine.provider.described import DescribedProvider
from engine.provider.entries import KINDS, AnyEntry, Entry, HttpEntry, SmppEntry
from engine.provider.fbrq import FbrqProvider
from engine.provider.http import CONNECT_SECONDS
from engine.provider.receipts import Receiver
from engine.provider.spec import ProviderSpec, RateUnit

_BYTES_MAX: Final = 1_000_000
_TABLES: Final = "provider"
_INDEX: Final = re.compile(r"\.([0-9]+)(?=\.|$)")
_SMPP_PASSWORD: Final = re.compile(r"[!-~]{1,8}")
_KINDS_OF_TOML: Final = {
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
}
"""What a value should be, in the words of its file and not of Python, by pydantic's kinds of errors."""
_PREFIXES: Final = ("Value error, ", "Input ")


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider of the file: what delivery must know, and how it is called."""

    spec: ProviderSpec
    entry: AnyEntry
    secrets: Mapping[str, str]

    def make(self) -> Provider:
        """Make what calls it; connects to nothing yet.

        Raises:
            ValueError: its address or a secret can't be used; the words follow the name of a key.
        """
        connect_seconds = min(CONNECT_SECONDS, self.spec.time_out_seconds / 2)
        entry = self.entry
        if isinstance(entry, HttpEntry):
            return DescribedProvider(
                entry.url,
                entry.request,
                entry.answers,
                secrets=self.secrets,
                senders=self.spec.senders,
                has_receipts=entry.receipts is not None,
                connect_seconds=connect_seconds,
            )
        if isinstance(entry, SmppEntry):
            return _smpp(entry, self.secrets["password"], connect_seconds)
        return FbrqProvider(entry.url, self.secrets.get("token", ""), connect_seconds=connect_seconds)

    @property
    def receiver(self) -> Receiver | None:
        """What takes its receipts in its own form; ``None``: it has none."""
        entry = self.entry
        if not isinstance(entry, HttpEntry) or entry.receipts is None:
            return None
        return Receiver(entry.receipts, self.secrets)


def read_providers(
    path: Path, environ: Mapping[str, str], *, allow_plaintext: bool = False
) -> tuple[ConfiguredProvider, ...]:
    """Read the file; the providers are in its order.

    Args:
        environ: the environment, in which the secrets are.
        allow_plaintext: providers beyond loopback may be called without TLS.

    Raises:
        BadSettings: with a line for each thing that is wrong.
    """
    found: list[ConfiguredProvider] = []
    lines: list[str] = []
    try:
        tables = _tables(path)
        for place, table in enumerate(tables, 1):
            try:
                found.append(_configured(table, place, environ, allow_plaintext))
            except _Wrong as error:
                lines += (f"[[provider]] {place}{_name_of(table)}: {line}" for line in error.lines)
        lines += _doubles(found)
        if found and all(each.spec.retired for each in found):
            lines.append("retired: all providers are: nobody would get a text")
    except _Wrong as error:
        lines = list(error.lines)
    if lines:
        raise BadSettings(*(visible(f"{path}: {line}") for line in lines))
    return tuple(found)


class _Wrong(Exception):
    """What is wrong, a line each, without file and table."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


def _tables(path: Path) -> Sequence[object]:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise _Wrong("is larger than 1 MB")
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _Wrong(f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Wrong("is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _Wrong(f"is not TOML: {error}") from None
    strange = [f"{key}: is not known here: a provider is a table [[{_TABLES}]]" for key in content if key != _TABLES]
    tables = content.get(_TABLES, [])
    if strange or not isinstance(tables, list) or not tables:
        raise _Wrong(*(strange or [f"has no table [[{_TABLES}]]"]))
    return tables


def _name_of(table: object) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    return f" ({name})" if isinstance(name, str) and name else ""


def _doubles(found: Sequence[ConfiguredProvider]) -> Iterator[str]:
    counts = Counter(each.spec.name for each in found)
    yield from (f"name: {count} tables [[{_TABLES}]] are {name!r}" for name, count in counts.items() if count > 1)


def _configured(table: object, place: int, environ: Mapping[str, str], allow_plaintext: bool) -> ConfiguredProvider:
    if not isinstance(table, dict):
        raise _Wrong("is no table")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _Wrong(f"kind: should be one of {', '.join(KINDS)}" if kind is not None else "kind: is missing")
    model = KINDS[kind]
    try:
        entry = model.model_validate(table)
    except ValidationError as error:
        raise _Wrong(*(_line(model, each) for each in error.errors(include_url=False))) from None
    configured = ConfiguredProvider(_spec(entry, place), entry, _secrets(entry, environ))
    _check(configured, allow_plaintext)
    return configured


def _secrets(entry: AnyEntry, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The secrets by the names that the description has for them. They go into headers and addresses."""
    found, wrong = {}, []
    for name, variable in entry.secrets.items():
        value = found[name] = environ.get(variable, "")
        if not value:
            wrong.append(f"secrets.{name}: the environment variable {variable} is not set")
        elif not (value.isascii() and value.isprintable()):
            wrong.append(f"secrets.{name}: {variable} should be visible ASCII characters")
    if wrong:
        raise _Wrong(*wrong)
    return found


def _spec(entry: AnyEntry, place: int) -> ProviderSpec:
    return ProviderSpec(
        name=entry.name,
        kind=entry.kind,
        order=place if entry.order is None else entry.order,
        rate=entry.rate,
        rate_unit=RateUnit(entry.rate_unit),
        workers=entry.workers,
        time_out_seconds=entry.time_out_seconds,
        prefixes=entry.prefixes,
        senders=entry.senders,
        price_per_segment=entry.price_per_segment,
        failover=entry.failover,
        retired=entry.retired,
    )


def _smpp(entry: SmppEntry, password: str, bind_seconds: float) -> Provider:
    # Here, for they need smpp34, which is an extra: ``_check`` has seen to it that it is there.
    from engine.provider.smpp.provider import Manners, SmppProvider
    from engine.provider.smpp.session import Link

    link = Link(entry.host, entry.port, entry.system_id, password, entry.system_type, entry.tls, entry.workers)
    zone = entry.receipt_time_zone
    manners = Manners(
        senders=entry.senders,
        source_ton=entry.source_ton,
        source_npi=entry.source_npi,
        long_texts=entry.long_texts,
        validity=entry.validity,
        rejected=entry.rejected,
        busy=entry.busy,
        receipts=entry.receipts,
        receipt_ids=entry.receipt_ids,
        receipt_zone=None if zone is None else ZoneInfo(zone),
    )
    return SmppProvider(link, manners, bind_seconds=bind_seconds)


def _check_smpp(password: str) -> None:
    if find_spec("smpp34") is None:
        raise _Wrong("kind: smpp needs the package smpp34: pip install --require-hashes -r requirements/smpp.txt")
    if not _SMPP_PASSWORD.fullmatch(password):
        raise _Wrong("secrets.password: its value should be 1 to 8 visible ASCII characters, as SMPP 3.4 has it")


def _check(configured: ConfiguredProvider, allow_plaintext: bool) -> None:
    """Make it once: what its client refuses is said now, and not at the first call."""
    entry = configured.entry
    if not allow_plaintext and entry.is_plaintext:
        raise _Wrong(f"{entry.address_key}: {entry.plaintext_words} or MAILING_ALLOW_PLAINTEXT")
    if isinstance(entry, SmppEntry):
        _check_smpp(configured.secrets["password"])
    try:
        configured.make()
    except ValueError as error:
        words = str(error)
        for secret in configured.secrets.values():
            words = words.replace(secret, "***")
        raise _Wrong(f"{entry.address_key}: {words}") from None


def _line(model: type[Entry], error: ErrorDetails) -> str:
    """One line: the key, and what is wrong with it. No value: it may be a secret at the wrong place."""
    place = [str(each) for each in error["loc"] if each != "[key]"]
    message = error["msg"]
    match error["type"]:
        case "conflict":
            place += filter(None, [error["ctx"]["key"]])
        case "extra_forbidden":
            message = "is not known here" + _hint(model, place)
        case "missing":
            message = "is missing"
        case kind if kind in _KINDS_OF_TOML:
            message = f"should be {_KINDS_OF_TOML[kind]}"
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    key = _INDEX.sub(r"[\1]", ".".join(place))
    if message[1:2].islower():
        message = message[:1].lower() + message[1:]
    return f"{key}: {message}" if place else message


def _hint(model: type[Entry], place: Sequence[str]) -> str:
    known = model.keys_at(place[:-1])
    near = get_close_matches(place[-1], known, 1)
    return f"; did you mean {near[0]}?" if near else f": there are {', '.join(sorted(known))}" if known else ""


def describe(configured: ConfiguredProvider) -> str:
    """What one provider is, on a line."""
    spec, provider = configured.spec, configured.make()
    numbers = "retired" if spec.retired else ", ".join(spec.prefixes) or "all numbers"
    rate = f"{spec.rate:g} {spec.rate_unit}/s" if spec.rate else "no rate limit"
    able = provider.abilities._asdict()
    has_receipts = able.pop("receipts")
    facts = [
        f"kind {spec.kind}",
        f"order {spec.order}",
        numbers,
        rate,
        f"takes {', '.join(name for name, has in able.items() if has) or 'the text alone'}",
        "sends receipts" if has_receipts else "sends no receipts",
        f"workers {spec.workers}",
    ]
    return f"{spec.name}: {'; '.join(facts)}"
