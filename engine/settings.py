"""The engine's settings (SPEC, section 7): each is declared once, below, with help and validation.

A value comes from the flag, else from the environment, else from the file ``.env``, else from the
default. A bad value ends the process with one line that names where the value came from, and exit
code 2; nothing has been touched by then.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from engine import setting_types
from engine.setting_types import Listen, Seconds, is_loopback

PROGRAM: Final = "python -m engine"
WORKERS_MAX: Final = 10_000
"""More calls in flight than this never helped in any measurement, and sockets run out first."""
RATE_MAX: Final = 100_000.0
"""Messages a second; the same bound as for a mailing's own ``rate_limit``."""


class Settings(BaseModel):
    """All settings of the engine, valid together, never changed after start."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[str, AfterValidator(setting_types.database_url)] = Field(
        "sqlite://data/mailing.db", repr=False, description="sqlite://FILE, or postgres://USER:PASSWORD@HOST/DATABASE"
    )
    workers: int = Field(64, ge=1, le=WORKERS_MAX, description="calls to the provider at the same time, at most")
    queue_size: int = Field(1000, ge=1, le=1_000_000, description="messages claimed ahead of the workers, at most")
    tick_seconds: Seconds = Field(5.0, description="how often due work is looked for, beside the early wake-ups")
    provider_url: Annotated[str, AfterValidator(setting_types.provider_url)] = Field(
        "https://probe.fbrq.cloud/v1", description="the provider's base URL; /send/{msgId} is appended"
    )
    fbrq_token: Annotated[SecretStr, AfterValidator(setting_types.token)] | None = Field(
        None,
        alias="FBRQ_TOKEN",
        description="the provider's bearer token; needed unless the provider is on loopback; better not as a flag, "
        "which other users of the machine can see",
    )
    provider_rate: float = Field(
        0.0, ge=0, le=RATE_MAX, allow_inf_nan=False, description="messages a second for the provider, 0: no limit"
    )
    provider_timeout_seconds: Seconds = Field(10.0, description="how long the provider may take for an answer")
    retry_base_seconds: Seconds = Field(
        5.0, description="the longest wait before the second attempt; doubles with each"
    )
    retry_max_seconds: Seconds = Field(300.0, description="the longest wait between two attempts")
    lease_seconds: float = Field(
        60.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="after this an engine that is silent loses its messages to another one",
    )
    grpc_listen: Annotated[Listen, BeforeValidator(setting_types.listen)] = Field(
        Listen("127.0.0.1", 50051), description="host:port of the gRPC API; port 0: any free one"
    )
    metrics_listen: Annotated[Listen, BeforeValidator(setting_types.listen)] = Field(
        Listen("127.0.0.1", 9101), description="host:port of /metrics, /healthz and /readyz; port 0: any free one"
    )
    grpc_tls_cert: FilePath | None = Field(None, description="certificate chain (PEM) of the gRPC API")
    grpc_tls_key: FilePath | None = Field(None, description="its private key (PEM)")
    grpc_tls_client_ca: FilePath | None = Field(None, description="only clients with a certificate of this CA (PEM)")
    allow_plaintext: bool = Field(False, description="allow to listen beyond loopback without TLS")
    log_format: Annotated[Literal["console", "json"], BeforeValidator(setting_types.lower)] = Field(
        "console", description="console or json"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(setting_types.lower)] = Field(
        "info", description="debug, info, warning or error"
    )
    shutdown_seconds: float = Field(
        10.0, ge=0, le=3600, allow_inf_nan=False, description="how long calls in flight may take to end at a stop"
    )

    @property
    def uses_tls(self) -> bool:
        """True when the gRPC API is served over TLS."""
        return self.grpc_tls_cert is not None

    @property
    def is_provider_local(self) -> bool:
        """True when the provider is on loopback: the sandbox, which needs no token of ours."""
        return is_loopback(urlsplit(self.provider_url).hostname or "")

    @property
    def database_name(self) -> str:
        """The database's URL without the password, for logs."""
        return re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1:***@", self.database_url.partition("?")[0])

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        for field, message in _conflicts(self):
            raise PydanticCustomError("conflict", "{message}", {"field": field, "message": message})
        return self


def _conflicts(settings: Settings) -> list[tuple[str, str]]:
    """Which settings don't fit together: (field, why)."""
    found = []
    if settings.retry_max_seconds < settings.retry_base_seconds:
        found.append(
            ("retry_max_seconds", f"should be at least MAILING_RETRY_BASE_SECONDS ({settings.retry_base_seconds:g})")
        )
    return found + _tls_conflicts(settings) + _plaintext_conflicts(settings)


def _tls_conflicts(settings: Settings) -> list[tuple[str, str]]:
    cert, key, client_ca = settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca
    if cert is not None and key is None:
        return [("grpc_tls_key", "is missing: MAILING_GRPC_TLS_CERT is set")]
    if cert is None and key is not None:
        return [("grpc_tls_cert", "is missing: MAILING_GRPC_TLS_KEY is set")]
    if client_ca is not None and cert is None:
        return [("grpc_tls_cert", "is missing: MAILING_GRPC_TLS_CLIENT_CA is set")]
    return []


def _plaintext_conflicts(settings: Settings) -> list[tuple[str, str]]:
    """SPEC 6: nothing listens beyond loopback in plain text, unless somebody says so."""
    if settings.allow_plaintext:
        return []
    found = []
    advice = "or MAILING_ALLOW_PLAINTEXT=true"
    if not settings.grpc_listen.is_loopback and not settings.uses_tls:
        found.append(
            ("grpc_listen", f"{settings.grpc_listen} is beyond loopback: needs MAILING_GRPC_TLS_CERT {advice}")
        )
    if not settings.metrics_listen.is_loopback:
        found.append(
            ("metrics_listen", f"{settings.metrics_listen} is beyond loopback and has no TLS: use loopback {advice}")
        )
    return found


# -- reading them ----------------------------------------------------------------------------------


class Command(NamedTuple):
    """What ``python -m engine`` can be asked to do; words of a name are separated by a blank."""

    name: str
    help: str
    needs_token: bool = False
    """Whether it calls the provider."""


RUN: Final = Command("run", "run the engine (also when no command is given)", needs_token=True)
COMMANDS: Final = (
    RUN,
    Command("migrate", "bring the database to this version's schema, and exit"),
    Command("check", "recount the counters of every mailing, repair and report what differs, and exit"),
)


class Invocation(NamedTuple):
    """What the command line asks for."""

    command: str
    """The name of one of ``COMMANDS``."""
    settings: Settings


class BadSettings(Exception):
    """The command line, the environment or ``.env`` can't be used: one line for each reason."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def parse(
    argv: Sequence[str], environ: Mapping[str, str], env_file: Path | None, *, commands: Sequence[Command] = COMMANDS
) -> Invocation:
    """Read the command and the settings; ``argv`` is without the program's name.

    Raises:
        SystemExit: 0 after ``--help``; 2 after one line on stderr for each thing that is wrong.
    """
    try:
        known, unknown = _parser(commands).parse_known_args(argv)
        if unknown:
            # Without its value, which may be a secret behind a mistyped flag.
            raise BadSettings(f"unknown flag or word: {unknown[0].partition('=')[0]}")
        flags = vars(known)
        name = flags.pop("command", RUN.name)
        command = next(each for each in commands if each.name == name)
        settings = load(flags, environ, env_file)
        if command.needs_token and settings.fbrq_token is None and not settings.is_provider_local:
            raise BadSettings(
                "FBRQ_TOKEN: is missing: set it to the provider's token, or MAILING_PROVIDER_URL to a sandbox"
            )
    except BadSettings as error:
        for line in error.lines:
            print(f"{PROGRAM}: {line}", file=sys.stderr)
        raise SystemExit(2) from None
    return Invocation(command.name, settings)


def load(flags: Mapping[str, Any], environ: Mapping[str, str], env_file: Path | None) -> Settings:
    """Build the settings; ``flags`` are by field name and go first, then ``environ``, then the file.

    A variable that is empty counts as not set, as container tools pass on what they don't have.

    Raises:
        BadSettings: a value is bad, or values don't fit together.
    """
    file_values = _read_env_file(env_file)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for field in Settings.model_fields:
        name = variable(field)
        if field in flags:
            values[field], sources[field] = flags[field], flag(field)
        elif environ.get(name):
            values[field], sources[field] = environ[name], name
        elif file_values.get(name):
            values[field], sources[field] = file_values[name], f"{name} in {env_file}"
    try:
        return Settings.model_validate(values, by_name=True)
    except ValidationError as error:
        lines = [_describe(each, values, sources) for each in error.errors(include_url=False)]
        raise BadSettings(*lines) from None


def variable(field: str) -> str:
    """The environment variable of a field: ``workers`` -> ``MAILING_WORKERS``."""
    return Settings.model_fields[field].alias or f"MAILING_{field.upper()}"


def flag(field: str) -> str:
    """The flag of a field: ``queue_size`` -> ``--queue-size``."""
    return "--" + field.replace("_", "-")


def _read_env_file(path: Path | None) -> Mapping[str, str | None]:
    """Read ``.env``; a file that isn't there is an empty one."""
    if path is None:
        return {}
    try:
        return dotenv_values(stream=io.StringIO(path.read_text(encoding="utf-8")), interpolate=False)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: can't be read: {error}") from None


_SECRET: Final = frozenset({"fbrq_token", "database_url", "provider_url"})
"""These may hold a password, so an error doesn't repeat them."""


def _describe(error: ErrorDetails, values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """One line: where the value came from, what is wrong with it, and the value unless it is secret."""
    if error["type"] == "conflict":
        field, shown = error["ctx"]["field"], ""
        message = error["msg"]
    else:
        location = error["loc"][0]
        field = next(name for name, info in Settings.model_fields.items() if location in (name, info.alias))
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        shown = "" if field in _SECRET or field not in values else f', but is "{str(values[field])[:80]}"'
    line = f"{sources.get(field, variable(field))}: {message[:1].lower()}{message[1:]}{shown}"
    return line.replace("\n", " ").replace("\r", " ")


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one line and nothing else."""

    def error(self, message: str) -> NoReturn:
        raise BadSettings(message.replace("\n", " "))


def _parser(commands: Sequence[Command]) -> _Parser:
    """Flags derive from the fields; they may stand before or after the command."""
    common = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("settings", "each is shown with its environment variable and its default")
    for field in Settings.model_fields:
        _add_flag(group, field)
    root = _Parser(
        prog=PROGRAM,
        description="The engine of the Mailing Service: owns the database, sends, and serves the gRPC control API. "
        "Settings come from flags, else the environment, else the file .env.",
        parents=[common],
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    _add_commands(root, common, commands)
    return root


def _add_flag(group: argparse._ArgumentGroup, field: str) -> None:
    info = Settings.model_fields[field]
    default = _show(info.default)
    text = f"{info.description} [{variable(field)}, {default}]".replace("%", "%%")
    if info.annotation is bool:
        group.add_argument(flag(field), action=argparse.BooleanOptionalAction, help=text)
    else:
        group.add_argument(flag(field), metavar=field.rpartition("_")[2].upper(), help=text)


def _show(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _add_commands(root: _Parser, common: _Parser, commands: Sequence[Command]) -> None:
    """Add a subparser for each word of each command: ``account create`` lies under ``account``."""
    groups = {"": root.add_subparsers(title="commands", metavar="COMMAND")}
    for command in commands:
        *parents, word = command.name.split()
        path = ""
        for parent in parents:
            above, path = path, f"{path} {parent}".strip()
            if path not in groups:
                middle = groups[above].add_parser(parent, help=f"{parent} …", allow_abbrev=False)
                groups[path] = middle.add_subparsers(title="commands", metavar="COMMAND", required=True)
        leaf = groups[path].add_parser(
            word,
            help=command.help,
            description=command.help,
            parents=[common],
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        leaf.set_defaults(command=command.name)
