"""How a provider is described in the providers' file: what is called, and what its answers mean.

The tables are checked as a whole: a description that passes can be called. Of what is wrong each is one ``conflict``
or one error of pydantic's, which ``engine.provider.file`` makes a line of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictFloat,
    model_validator,
)
from pydantic_core import PydanticCustomError

from engine.provider.patterns import Expression
from engine.provider.placeholders import VALIDITY, Hole, Template, names_in, parse
from engine.provider.pointer import check_pointer, word_of

VALIDITY_SECONDS_MAX: Final = 31_536_000
"""A year; a mailing is over long before that."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE: Final = re.compile(r"[ -~]*")
_STATUS_CLASS: Final = re.compile(r"[1-5]xx")
_OF_THE_CALL: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that frame a call or speak of its connection (RFC 9110, 7.6.1). The client writes them as they have to be:
another value breaks each call."""
_IN_HEADERS: Final = frozenset({"id", "phone", "segments", *VALIDITY})
"""Of one message; a text or a sender's name can't stand in a header: it takes visible ASCII only."""


def conflict(key: str, message: str) -> PydanticCustomError:
    """What is wrong with a key below the table that is checked."""
    return PydanticCustomError("conflict", "{message}", {"key": key, "message": message})


class Table(BaseModel):
    """A table of the file: no key that is not known, nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _pattern(value: str) -> str:
    try:
        groups = Expression(value).groups
    except ValueError as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if groups > 1:
        raise ValueError("should have one group in parentheses at most")
    return value


def _id_pattern(value: str) -> str:
    if Expression(_pattern(value)).groups != 1:
        raise ValueError(r"should have one group in parentheses, which finds the id, such as ID: (\d+)")
    return value


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError("should be the name of a header")
    return value.lower()


def _request_header_name(value: str) -> str:
    if (name := _header_name(value)) in _OF_THE_CALL:
        raise ValueError("is for the client to say: it knows the body and the connection")
    return name


def _no_name_twice(value: object) -> object:
    """Names that differ in their case only are one header, of which the last would be sent, and nobody told."""
    first: dict[str, str] = {}
    for name in value if isinstance(value, dict) else ():
        if (known := first.setdefault(name.lower(), name)) != name:
            raise ValueError(f"have {known} and {name}, which are one header")
    return value


def _statuses(value: object) -> object:
    """Take ``201``, ``"2xx"`` or a list of these apart."""
    found = [_statuses_of(each) for each in (value if isinstance(value, list) else [value])]
    if not found or not all(found):
        raise ValueError('should be statuses, such as 201, "2xx" or [200, 202]')
    return frozenset().union(*found)


def _statuses_of(value: object) -> Sequence[int]:
    if isinstance(value, str) and _STATUS_CLASS.fullmatch(value):
        return range(int(value[0]) * 100, int(value[0]) * 100 + 100)
    return [value] if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600 else []


def _words(value: object) -> object:
    """The words that a text, a number, a truth value or a list of them stands for."""
    if value is None:
        return None
    words = [word_of(each) for each in (value if isinstance(value, list) else [value])]
    if not words or None in words:
        raise ValueError("should be a text, a number, true or false, or a list of these")
    return frozenset(words)


def _template(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("should be a text")
    return parse(value)


def _secret_template(value: object) -> Template:
    template = _template(value)
    if strange := {name for name in names_in([template]) if not name.startswith("secret.")}:
        raise ValueError(f"can have secrets only, not {{{min(strange)}}}")
    if not all(isinstance(part, Hole) or _PRINTABLE.fullmatch(part) for part in template):
        raise ValueError("should be visible ASCII characters")
    return template


def _header_template(value: object) -> Template:
    template = _template(value)
    if strange := {name for name in names_in([template]) - _IN_HEADERS if not name.startswith("secret.")}:
        raise ValueError(f"can't have {{{min(strange)}}}: a header takes visible ASCII characters only")
    if not all(isinstance(part, Hole) or _PRINTABLE.fullmatch(part) for part in template):
        raise ValueError("should be visible ASCII characters")
    return template


def _without_numbers(template: Template) -> Template:
    if any(isinstance(part, Hole) and part.is_number for part in template):
        raise ValueError("needs no :number: only JSON knows numbers")
    return template


def _field(value: object) -> Template:
    """A field of a form or a query: what is no text is written as one."""
    if isinstance(value, bool):
        return parse("true" if value else "false")
    return parse(str(value)) if isinstance(value, int | float) else _template(value)


Pointer = Annotated[str, AfterValidator(check_pointer)]
Pattern = Annotated[str, AfterValidator(_pattern)]
IdPattern = Annotated[str, AfterValidator(_id_pattern)]
Words = Annotated[frozenset[str], BeforeValidator(_words)]
SecretText = Annotated[Template, PlainValidator(_secret_template)]
HeaderText = Annotated[Template, PlainValidator(_header_template), AfterValidator(_without_numbers)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
_RequestHeaderName = Annotated[str, AfterValidator(_request_header_name)]
FieldText = Annotated[Template, PlainValidator(_field), AfterValidator(_without_numbers)]


def _json(value: Any) -> Any:
    """A value of JSON with a template for each of its texts."""
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, dict):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, bool | int | float):
        return value
    raise ValueError("can't hold dates or times: write them as texts")


def _templates_of_json(value: Any) -> Iterator[Template]:
    """All templates in a value that ``_json`` has made: tuples are nothing else."""
    if isinstance(value, tuple):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _templates_of_json(each)


class Basic(Table):
    """HTTP's basic authentication."""

    user: SecretText
    password: SecretText


class Validity(Table):
    """What the provider takes as the time after which a text is of no use."""

    seconds_min: StrictFloat = Field(60, gt=0, le=VALIDITY_SECONDS_MAX, allow_inf_nan=False)
    seconds_max: StrictFloat = Field(259_200, gt=0, le=VALIDITY_SECONDS_MAX, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.seconds_max < self.seconds_min:
            raise conflict("seconds_max", f"should be at least seconds_min ({self.seconds_min:g})")
        return self


class RequestTable(Table):
    """What is called, beside the URL."""

    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Annotated[dict[_RequestHeaderName, HeaderText], BeforeValidator(_no_name_twice)] = {}
    basic: Basic | None = None
    query: dict[str, FieldText] = {}
    form: dict[str, FieldText] | None = None
    json_: Annotated[Any, AfterValidator(_json)] = Field(None, alias="json")
    validity: Validity = Validity()

    @property
    def templates(self) -> list[Template]:
        """All of them, without the URL's."""
        basic = [] if self.basic is None else [self.basic.user, self.basic.password]
        fields = [*self.query.values(), *(self.form or {}).values()]
        return [*self.headers.values(), *basic, *fields, *_templates_of_json(self.json_)]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.form is not None and self.json_ is not None:
            raise conflict("form", "is one body too many: there is json")
        if self.method == "GET" and (self.form is not None or self.json_ is not None):
            raise conflict("method", "GET has no body: use query, or POST")
        if self.basic is not None and "authorization" in self.headers:
            raise conflict("basic", "is one too many: headers have Authorization")
        return self


class Rule(Table):
    """What one kind of answer means: all that the rule says has to fit."""

    means: Literal["accepted", "rejected", "busy", "blocked", "failed", "unknown"]
    status: Annotated[frozenset[int], BeforeValidator(_statuses)] = frozenset(range(200, 300))
    pointer: Pointer | None = None
    values: Words | None = None
    pattern: Pattern | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.values is not None and self.pointer is None:
            raise conflict("values", "needs a pointer, which says where they stand")
        return self

    def leaves_nothing_to(self, later: Rule) -> bool:
        """Whether it fits each answer that the later one fits, their statuses aside, as far as can be read off them."""
        if self.pattern is not None and self.pattern != later.pattern:
            return False
        if self.pointer is None:
            return True
        is_within = self.values is None or (later.values is not None and later.values <= self.values)
        return self.pointer == later.pointer and is_within


def _some(value: tuple[Rule, ...]) -> tuple[Rule, ...]:
    # Not ``min_length``: it would count those only that are good.
    if not value:
        raise ValueError("should be a list of one rule or more")
    return value


def _check_order(rules: Sequence[Rule]) -> None:
    """See that each rule can be the first one that fits."""
    for place, rule in enumerate(rules):
        earlier = [each.status for each in rules[:place] if each.leaves_nothing_to(rule)]
        if rule.status <= frozenset().union(*earlier):
            raise conflict(f"rules.{place}", "is never asked: a rule before it fits all that this one fits")


class Answers(Table):
    """What answers mean: the first rule that fits."""

    format: Literal["json", "text"] = "json"
    rules: Annotated[tuple[Rule, ...], AfterValidator(_some)]
    provider_message_id: Pointer | None = None
    provider_message_id_pattern: IdPattern | None = None
    detail: Pointer | None = None

    @property
    def has_provider_message_id(self) -> bool:
        """Whether they tell what the provider calls the message."""
        return self.provider_message_id is not None or self.provider_message_id_pattern is not None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        accepted = [rule for rule in self.rules if rule.means == "accepted"]
        if not accepted:
            raise conflict("rules", 'say nowhere what means "accepted"')
        _check_order(self.rules)
        if self.provider_message_id is not None and self.provider_message_id_pattern is not None:
            raise conflict("provider_message_id_pattern", "is one too many: there is provider_message_id")
        if self.format == "text":
            if any(rule.pattern is None for rule in accepted):
                raise conflict("rules", 'accepted needs a pattern where format is "text": a page of HTML has a 200 too')
            if pointed := [key for key in ("provider_message_id", "detail") if getattr(self, key) is not None]:
                raise conflict(pointed[0], 'is a pointer, and format is "text"')
            if any(rule.pointer is not None for rule in self.rules):
                raise conflict("rules", 'pointer needs format = "json"')
        return self


def check_secrets(templates: Mapping[str, list[Template]], secrets: Mapping[str, str]) -> None:
    """See that each secret that a template names is there; ``templates`` are by the key that holds them.

    Raises:
        PydanticCustomError: a ``conflict``.
    """
    for key, found in templates.items():
        for name in sorted(names_in(found)):
            if name.startswith("secret.") and (known := name.removeprefix("secret.")) not in secrets:
                raise conflict(key, f"has {{{name}}}, and secrets have no {known}")


def fields_in(templates: list[Template]) -> set[str]:
    """The names of placeholders that differ from message to message."""
    return {name for name in names_in(templates) if not name.startswith("secret.")}
