"""Settings of a process (docs/behaviour.md, section 7): each is declared once, as a field with help and validation.

A value comes from the flag, else from the environment, else from the file ``.env``, else from the
default. A bad value ends the process with one line that names where the value came from, and exit
code 2; nothing has been touched by then.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from common import setting_types
from common.command_line import BadSettings, Command, Flag, read_command_line
from common.terminal import say, visible
from common.texts import is_text
from common.tracing import is_installed


class ProcessSettings(BaseModel):
    """What every process of ours has to set; all settings are valid together and never change after start."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
        hide_input_in_errors=True,
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that may hold a password, so that an error doesn't repeat their values."""

    allow_plaintext: bool = Field(False, description="allow to listen and to call beyond loopback without TLS")
    log_format: Annotated[Literal["console", "json"], BeforeValidator(setting_types.lower)] = Field(
        "console", description="console or json"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(setting_types.lower)] = Field(
        "info", description="debug, info, warning or error"
    )
    shutdown_seconds: float = Field(
        10.0, ge=0, le=3600, allow_inf_nan=False, description="how long a stop may take; calls in flight get most of it"
    )

    traces_url: Annotated[str, AfterValidator(setting_types.web_address)] | None = Field(
        None, description="where traces go, OTLP over HTTP (http://127.0.0.1:4318/v1/traces); needs the extra otel"
    )

    def conflicts(self) -> Sequence[tuple[str, str]]:
        """Say which settings don't fit together: (field, why), the first of which is reported."""
        if self.traces_url is None:
            return ()
        if not is_installed():
            return [("traces_url", "needs OpenTelemetry: pip install --require-hashes -r requirements/otel.txt")]
        parts = urlsplit(self.traces_url)
        if parts.scheme == "https" or setting_types.is_loopback(parts.hostname or "") or self.allow_plaintext:
            return ()
        return [("traces_url", "is beyond loopback: needs https:// or MAILING_ALLOW_PLAINTEXT=true")]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for field, message in self.conflicts():
            raise PydanticCustomError("conflict", "{message}", {"field": field, "message": message})
        return self


S = TypeVar("S", bound=ProcessSettings)


class Invocation(NamedTuple, Generic[S]):
    """What the command line asks for."""

    command: str
    """The name of one of the program's commands; empty when it has none."""
    settings: S
    arguments: Mapping[str, Any] = {}
    """The command's own arguments by ``Argument.key``: each of them, with its default when it was not given."""


def _nothing_more(_command: str, _settings: Any) -> None:
    """Every command can work with any settings."""


@dataclass(frozen=True)
class Program(Generic[S]):
    """A process's command line and settings; the first of its commands is meant when none is given."""

    name: str
    """As it is called, ``python -m engine``: errors begin with it."""
    description: str
    model: type[S]
    commands: Sequence[Command] = ()
    check: Callable[[str, S], None] = _nothing_more
    """What one command needs beyond settings that are valid: raises BadSettings."""

    def parse(self, argv: Sequence[str], environ: Mapping[str, str], env_file: Path | None) -> Invocation[S]:
        """Read the command and the settings; ``argv`` is without the program's name.

        Raises:
            SystemExit: 0 after ``--help``; 2 after one line on stderr for each thing that is wrong.
        """
        try:
            line = read_command_line(self.name, self.description, self._flags(), self.commands, argv)
            settings = self.load(line.flags, environ, env_file)
            self.check(line.command, settings)
        except BadSettings as error:
            for text in error.lines:
                say(f"{self.name}: {text}", file=sys.stderr)
            raise SystemExit(2) from None
        return Invocation(line.command, settings, line.arguments)

    def load(self, flags: Mapping[str, Any], environ: Mapping[str, str], env_file: Path | None) -> S:
        """Build the settings; ``flags`` are by field name and go first, then ``environ``, then the file.

        A variable that is empty counts as not set, as container tools pass on what they don't have.

        Raises:
            BadSettings: a value is bad, or values don't fit together.
        """
        file_values = _read_env_file(env_file)
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for field in self.model.model_fields:
            name = self.variable(field)
            if field in flags:
                values[field], sources[field] = flags[field], flag(field)
            elif environ.get(name):
                values[field], sources[field] = environ[name], name
            elif file_values.get(name):
                values[field], sources[field] = file_values[name], f"{name} in {env_file}"
        if garbled := [
            f"{sources[field]}: is not UTF-8 text" for field, value in values.items() if not _is_readable(value)
        ]:
            raise BadSettings(*garbled)
        try:
            return self.model.model_validate(values, by_name=True)
        except ValidationError as error:
            lines = [self._describe(each, values, sources) for each in error.errors(include_url=False)]
            raise BadSettings(*lines) from None

    def variable(self, field: str) -> str:
        """The environment variable of a field: ``workers`` -> ``MAILING_WORKERS``."""
        return self.model.model_fields[field].alias or f"MAILING_{field.upper()}"

    def _describe(self, error: ErrorDetails, values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
        """One line: where the value came from, what is wrong with it, and the value unless it is secret."""
        if error["type"] == "conflict":
            field, shown = error["ctx"]["field"], ""
            message = error["msg"]
        else:
            location = error["loc"][0]
            field = next(name for name, info in self.model.model_fields.items() if location in (name, info.alias))
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            hidden = field in self.model.secret_fields or field not in values
            shown = "" if hidden else f', but is "{str(values[field])[:80]}"'
        line = f"{sources.get(field, self.variable(field))}: {message[:1].lower()}{message[1:]}{shown}"
        return visible(line)

    def _flags(self) -> list[Flag]:
        return [
            Flag(
                field,
                flag(field),
                f"{info.description} [{self.variable(field)}, {shown_default(info.default)}]",
                is_switch=info.annotation is bool,
            )
            for field, info in self.model.model_fields.items()
        ]


def _is_readable(value: object) -> bool:
    """Whether a value has no half of a surrogate pair, as Python makes of bytes that are no UTF-8."""
    return not isinstance(value, str) or is_text(value)


def flag(field: str) -> str:
    """The flag of a field: ``queue_size`` -> ``--queue-size``."""
    return "--" + field.replace("_", "-")


def with_env_file(environ: Mapping[str, str], env_file: Path | None) -> Mapping[str, str]:
    """The environment, with what the file ``.env`` adds to it; a variable that is empty counts as not set.

    Raises:
        BadSettings: the file can't be read.
    """
    added = {name: value for name, value in _read_env_file(env_file).items() if value}
    return added | {name: value for name, value in environ.items() if value}


_NOTHING: Final[Mapping[str, str | None]] = {}


def _read_env_file(path: Path | None) -> Mapping[str, str | None]:
    """Read ``.env``; a file that isn't there is an empty one. A line that is no setting is an error: somebody counts on
    what it was to say, such as a rate."""
    if path is None:
        return _NOTHING
    try:
        lines = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except FileNotFoundError:
        return _NOTHING
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: can't be read: {error}") from None
    if bad := [line.original.line for line in lines if line.error]:
        raise BadSettings(*(f"{path}: line {number} should be NAME=VALUE" for number in bad))
    return {line.key: line.value for line in lines if line.key is not None}


def shown_default(default: object) -> str:
    """A default as help and docs show it, and as it may be written in the environment."""
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
