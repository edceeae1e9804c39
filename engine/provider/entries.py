"""A ``[[provider]]`` table of the providers' file, by kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, Strict, StrictBool, StrictFloat, StrictInt, model_validator

from common.setting_types import Seconds, is_loopback
from engine.domain.cost import DECIMALS, is_exact
from engine.provider.description import Answers, RequestTable, Table, check_secrets, conflict, fields_in
from engine.provider.placeholders import VALIDITY, Template, parse
from engine.provider.receipt_table import Receipts, TimeZoneName
from engine.provider.smpp.receipts import ReceiptIds
from engine.provider.smpp.source import Source
from engine.provider.smpp.texts import LongTexts

WORKERS_MAX: Final = 10_000
RATE_MAX: Final = 100_000.0
PRICE_MAX: Final = 100_000.0
"""Ten million messages of ten segments at that price are money that the database can count."""
ORDER_MAX: Final = 1_000_000
_NAME: Final = r"^[a-z][a-z0-9_-]{0,31}$"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX: Final = re.compile(r"7[0-9]{0,10}", re.ASCII)
_SENDER_CHARACTERS_MAX: Final = 64
SMPP_SECONDS_MAX: Final = 30
"""smpp34 waits so long for a response, and that can't be told otherwise."""
_NO_TOKEN: Final = "is missing: the name of the environment variable that has it; only on loopback it is not needed"
_Status = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF)]


def _variables(value: dict[str, str]) -> dict[str, str]:
    for name, variable in value.items():
        if not _SECRET_NAME.fullmatch(name):
            raise ValueError("should have names of small letters, digits and _")
        if not _VARIABLE.fullmatch(variable):
            # Without the value: whoever writes the secret itself here should not find it in a log.
            raise ValueError(f"{name} should be the name of an environment variable, not the secret itself")
    return value


def _prefixes(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_PREFIX.fullmatch, value)):
        raise ValueError("should be the first digits of numbers, such as 7 or 7916")
    return value


def _senders(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(0 < len(each) <= _SENDER_CHARACTERS_MAX and each.isprintable() for each in value):
        raise ValueError(f"should be names of 1 to {_SENDER_CHARACTERS_MAX} visible characters")
    return value


def _price(value: float) -> float:
    if not is_exact(value):  # it would be rounded, a small one to nothing: no budget would ever be reached
        raise ValueError(f"should have at most {DECIMALS} decimals")
    return value


def _url_template(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("should be a text")
    return parse(value)


_Price = Annotated[StrictFloat, Field(ge=0, le=PRICE_MAX, allow_inf_nan=False), AfterValidator(_price)]


class Entry(Table):
    """What all kinds have."""

    address_key: ClassVar[str] = "url"
    plaintext_words: ClassVar[str] = "token, numbers and texts would leave this machine in the clear: needs https://"

    name: str = Field(pattern=_NAME)
    secrets: Annotated[dict[str, str], AfterValidator(_variables)] = Field(default_factory=dict)
    order: StrictInt | None = Field(None, ge=-ORDER_MAX, le=ORDER_MAX)
    rate: StrictFloat = Field(0.0, ge=0, le=RATE_MAX, allow_inf_nan=False)
    rate_unit: Literal["messages", "segments"] = "messages"
    workers: StrictInt = Field(64, ge=1, le=WORKERS_MAX)
    time_out_seconds: Annotated[Seconds, Strict()] = 10.0
    prefixes: Annotated[tuple[str, ...], AfterValidator(_prefixes)] = ()
    senders: Annotated[tuple[str, ...], AfterValidator(_senders)] = ()
    price_per_segment: _Price | None = None
    failover: StrictBool = True
    retired: StrictBool = False

    @classmethod
    def keys_at(cls, place: Sequence[str]) -> Sequence[str]:
        """The keys that a table inside this one may have; ``place`` names the way to it."""
        model: Any = cls
        for key in place:
            if key.isdigit():  # one of a list: its model is the list's
                continue
            info = next((each for name, each in model.model_fields.items() if key in (name, each.alias)), None)
            model = None if info is None else _model_in(info.annotation)
            if model is None:
                return ()
        return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The table that an annotation speaks of, such as ``tuple[Rule, ...]`` or ``Receipts | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


class FbrqEntry(Entry):
    """The provider of docs/behaviour.md, section 3."""

    kind: Literal["fbrq"]
    url: str

    @property
    def is_plaintext(self) -> bool:
        """Whether it would be called beyond this machine without TLS."""
        return _is_plaintext(self.url)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if strange := sorted(self.secrets.keys() - {"token"}):
            raise conflict(f"secrets.{strange[0]}", "is not known here; there is token")
        if "token" not in self.secrets and not is_loopback(_host_of(self.url)):
            raise conflict("secrets.token", _NO_TOKEN)
        if self.senders:
            raise conflict("senders", "fbrq takes no sender")
        return self


class HttpEntry(Entry):
    """A provider that is described."""

    kind: Literal["http"]
    url: Annotated[Template, PlainValidator(_url_template)]
    request: RequestTable
    answers: Answers
    receipts: Receipts | None = None

    @property
    def is_plaintext(self) -> bool:
        """Whether it would be called beyond this machine without TLS."""
        return _is_plaintext("".join(part if isinstance(part, str) else "x" for part in self.url))

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        templates = {"url": [self.url], "request": self.request.templates}
        receipts = self.receipts
        if receipts is not None:
            templates["receipts.secret"] = receipts.secret.templates
        check_secrets(templates, self.secrets)
        told = fields_in([self.url, *self.request.templates])
        for name in ("phone", "text"):
            if name not in told:
                raise conflict("request", f"has {{{name}}} nowhere")
        if "sender" not in told and self.senders:
            raise conflict("senders", "the request has {sender} nowhere")
        if "validity" in self.request.model_fields_set and told.isdisjoint(VALIDITY):
            raise conflict("request.validity", "is of no use: the request has {valid_seconds} or the like nowhere")
        if receipts is not None and receipts.id is not None and "id" not in told:
            raise conflict("receipts.id", "can't be ours: the request has {id} nowhere")
        if receipts is not None and receipts.id is None and not self.answers.has_provider_message_id:
            raise conflict("receipts.provider_message_id", "is never told: answers have no provider_message_id")
        return self


def _is_plaintext(url: str) -> bool:
    return url[:5].lower() == "http:" and not is_loopback(_host_of(url))


def _host_of(url: str) -> str:
    """The host; empty: there is none, as the client's own check of the address says later."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class SmppEntry(Entry):
    """A message centre of SMPP 3.4. Lengths are the specification's."""

    address_key: ClassVar[str] = "host"
    plaintext_words: ClassVar[str] = (
        "password, numbers and texts would leave this machine in the clear: needs tls = true"
    )

    kind: Literal["smpp"]
    host: str = Field(pattern=r"^[A-Za-z0-9._:-]+$")
    port: StrictInt = Field(2775, ge=1, le=65535)
    tls: StrictBool = False
    system_id: str = Field(pattern=r"^[!-~]{1,15}$")
    system_type: str = Field("", pattern=r"^[!-~]{0,12}$")
    workers: StrictInt = Field(10, ge=1, le=1000)
    """Each has one unit under way at most: so they are the window too."""
    source_ton: StrictInt | None = Field(None, ge=0, le=6)
    source_npi: StrictInt | None = Field(None, ge=0, le=18)
    long_texts: LongTexts = LongTexts.UDH
    validity: StrictBool = True
    rejected: frozenset[_Status] = frozenset()
    busy: frozenset[_Status] = frozenset()
    receipts: StrictBool = True
    receipt_ids: ReceiptIds = ReceiptIds.SAME
    receipt_time_zone: TimeZoneName | None = None

    @property
    def is_plaintext(self) -> bool:
        """Whether it would be called beyond this machine without TLS."""
        return not self.tls and not is_loopback(self.host)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if strange := sorted(self.secrets.keys() - {"password"}):
            raise conflict(f"secrets.{strange[0]}", "is not known here; there is password")
        if "password" not in self.secrets:
            raise conflict("secrets.password", "is missing: the name of the environment variable that has it")
        if self.time_out_seconds > SMPP_SECONDS_MAX:
            raise conflict("time_out_seconds", f"should be at most {SMPP_SECONDS_MAX}: smpp34 waits no longer")
        for sender in self.senders:
            try:
                Source.of(sender, None, None)
            except ValueError as error:
                raise conflict("senders", f"can't be sent: {error}") from None
        if both := self.rejected & self.busy:
            raise conflict("busy", f"has {min(both):#x}, and so has rejected")
        return self


AnyEntry = FbrqEntry | HttpEntry | SmppEntry
KINDS: Final[Mapping[str, type[AnyEntry]]] = {"fbrq": FbrqEntry, "http": HttpEntry, "smpp": SmppEntry}
