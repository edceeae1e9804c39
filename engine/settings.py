"""The engine's settings and commands (docs/behaviour.md, section 7); how they are read: ``common.settings``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr

from common.command_line import Argument, BadSettings, Command
from common.setting_types import (
    Listen,
    Seconds,
    host_names,
    is_loopback,
    is_web_address_safe,
    listen,
    long_token,
    lower,
    token,
)
from common.settings import Invocation, ProcessSettings, Program
from common.tls_files import ca_conflicts, pair_conflicts
from engine import postgres_url, setting_types, smtp_url
from engine.domain.access import Role
from engine.domain.events import KEEP_DAYS
from engine.domain.stop_words import STOP_WORDS
from engine.domain.totp import RequireTotp
from engine.domain.validate import DEFAULT_TIME_ZONE, SEGMENTS_MAX
from engine.gateways import Gateways, read_gateways
from engine.smtp_url import SmtpServer

PROGRAM: Final = "python -m engine"
WORKERS_MAX: Final = 10_000
"""More calls in flight than this never helped in any measurement, and sockets run out first."""
REPORTED_DAYS: Final = 3
"""So long the report of a day may need details of mailings."""
DAYS_MAX: Final = 36_500
"""A token that is to last longer needs no end."""
RATE_MAX: Final = 100_000.0
"""Messages a second; the same bound as for a mailing's own ``rate_limit``."""
SEGMENTS_LIMIT: Final = 255
"""An SMS of several parts numbers them in one octet."""


class Settings(ProcessSettings):
    """All settings of the engine, valid together, never changed after start."""

    secret_fields: ClassVar[frozenset[str]] = frozenset(
        {"fbrq_token", "database_url", "provider_url", "admin_password", "api_token", "smtp_url", "oidc_client_secret"}
    )

    database_url: Annotated[str, AfterValidator(setting_types.database_url)] = Field(
        "sqlite://data/mailing.db", repr=False, description="sqlite://FILE, or postgres://USER:PASSWORD@HOST/DATABASE"
    )
    workers: int = Field(64, ge=1, le=WORKERS_MAX, description="calls to the provider at the same time, at most")
    slots: int = Field(
        0,
        ge=0,
        le=10 * WORKERS_MAX,
        description="messages whose outcome is not stored yet, at most: what a crash can leave open; 0: as many as "
        "there are workers; with a very fast provider more are faster",
    )
    queue_size: int = Field(1000, ge=1, le=1_000_000, description="messages claimed ahead of the workers, at most")
    tick_seconds: Seconds = Field(5.0, description="how often due work is looked for, beside the early wake-ups")
    provider_url: Annotated[str, AfterValidator(setting_types.provider_url)] = Field(
        "https://probe.fbrq.cloud/v1", description="the provider's base URL; /send/{msgId} is appended"
    )
    fbrq_token: Annotated[SecretStr, AfterValidator(token)] | None = Field(
        None,
        alias="FBRQ_TOKEN",
        description="the provider's bearer token; needed unless the provider is on loopback; better not as a flag, "
        "which other users of the machine can see",
    )
    provider_rate: float = Field(
        0.0, ge=0, le=RATE_MAX, allow_inf_nan=False, description="messages a second for the provider, 0: no limit"
    )
    provider_timeout_seconds: Seconds = Field(10.0, description="how long the provider may take for an answer")
    providers: Path | None = Field(
        None,
        description="a TOML file that describes the providers, with their addresses, tokens, rates and workers; "
        "without it there is one, fbrq, by the settings above",
    )
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
    default_time_zone: Annotated[str, AfterValidator(setting_types.time_zone)] = Field(
        DEFAULT_TIME_ZONE, description="the time zone of a client for whom none is said: an IANA name"
    )
    segments_max: int = Field(
        SEGMENTS_MAX, ge=1, le=SEGMENTS_LIMIT, description="SMS segments that a mailing's text may take, at most"
    )
    stop_words: Annotated[tuple[str, ...], BeforeValidator(setting_types.stop_words)] = Field(
        STOP_WORDS,
        description="a text to us that is one of these, whatever its case and the signs around it, puts its number on "
        "the stop list; with commas between them",
    )
    grpc_listen: Annotated[Listen, BeforeValidator(listen)] = Field(
        Listen("127.0.0.1", 50051), description="host:port of the gRPC API; port 0: any free one"
    )
    metrics_listen: Annotated[Listen, BeforeValidator(listen)] = Field(
        Listen("127.0.0.1", 9101), description="host:port of /metrics, /healthz and /readyz; port 0: any free one"
    )
    metrics_hosts: Annotated[tuple[str, ...], BeforeValidator(host_names)] = Field(
        (), description="names by which the metrics port may be called, beside addresses, localhost and the name above"
    )
    grpc_tls_cert: FilePath | None = Field(None, description="certificate chain (PEM) of the gRPC API")
    grpc_tls_key: FilePath | None = Field(None, description="its private key (PEM)")
    grpc_tls_client_ca: FilePath | None = Field(None, description="only clients with a certificate of this CA (PEM)")
    admin_password: Annotated[SecretStr, Field(min_length=8, max_length=256)] | None = Field(
        None,
        description="password of the first account, admin, which is made while there is none; not set: made at the "
        "first start; better not as a flag",
    )
    api_token: Annotated[SecretStr, AfterValidator(long_token)] | None = Field(
        None,
        description="a first API token with the role admin, 16 characters at least; another value takes the place of "
        "the one before; not set: made at the first start; better not as a flag",
    )
    require_totp: Annotated[RequireTotp, BeforeValidator(lower)] = Field(
        "none",
        description="whose accounts must have two-step sign-in: none, admins, or all; of accounts with a password, for "
        "an OpenID Connect provider asks for what it deems enough",
    )
    sign_in_file: Path | None = Field(
        None,
        description="keep a password and a token that are made at the first start in this file, instead of printing "
        "them: where output is kept (docker logs, the journal)",
    )
    gateways: Annotated[Gateways, BeforeValidator(read_gateways)] = Field(
        Gateways(),
        description="addresses, networks (CIDR) or names in client certificates of gateways, which are believed when "
        "they say for whom they call",
    )
    keep_days: float = Field(
        0.0,
        ge=0,
        le=DAYS_MAX,
        allow_inf_nan=False,
        description="how long messages, attempts and details of statistics are kept after their mailing has ended, "
        "0: for ever",
    )
    audit_keep_days: float = Field(
        365.0, ge=0, le=DAYS_MAX, allow_inf_nan=False, description="how long the audit list is kept, 0: for ever"
    )
    report_to: Annotated[tuple[str, ...], BeforeValidator(setting_types.mail_addresses)] = Field(
        (), description="who is mailed a report of the day before, each day: addresses with commas between them"
    )
    report_time: Annotated[str, AfterValidator(setting_types.time_of_day)] = Field(
        "08:00", description="when the report is mailed, in MAILING_DEFAULT_TIME_ZONE, by which its day goes too"
    )
    report_from: Annotated[str, AfterValidator(setting_types.mail_address)] | None = Field(
        None, description="whom the report comes from; else MAILING_SMTP_URL's user, or the first whom it goes to"
    )
    smtp_url: Annotated[SecretStr, AfterValidator(setting_types.smtp_server)] | None = Field(
        None,
        description="the mail server: smtps://USER:PASSWORD@HOST, or smtp:// with STARTTLS (never on loopback; "
        "?starttls=always or never, ?ca=FILE); better not as a flag",
    )
    oidc_issuer: Annotated[str, AfterValidator(setting_types.oidc_issuer)] | None = Field(
        None, description="OpenID Connect provider with whose accounts people may sign in to the panel: its address"
    )
    oidc_client_id: str | None = Field(None, description="who we are to that provider")
    oidc_client_secret: SecretStr | None = Field(
        None, description="what proves it; none for a client that is registered as public; better not as a flag"
    )
    oidc_name: str | None = Field(
        None, max_length=40, description="what the provider is called on the button; else the host of its address"
    )
    oidc_scopes: str = Field("openid profile email", description="what is asked of it, with spaces between")
    oidc_role_claim: str = Field(
        "roles",
        min_length=1,
        description="what it says of a person that decides the role; realm_access.roles is a path",
    )
    oidc_roles: Annotated[tuple[tuple[str, Role], ...], BeforeValidator(setting_types.oidc_roles)] = Field(
        (),
        description="values of that claim and the roles they give, it=admin,marketing=operator; the highest counts, "
        "and who has none of them does not get in",
    )
    log_messages: Annotated[Literal["all", "failures"], BeforeValidator(lower)] = Field(
        "failures", description="which calls have a line in the log: all, or failures only"
    )
    webhook_private: bool = Field(
        False, description="webhooks may be addresses of this machine and of private networks, and plain http://"
    )
    event_keep_days: float = Field(
        KEEP_DAYS, ge=0, le=DAYS_MAX, allow_inf_nan=False, description="how long events are kept, 0: for ever"
    )
    session_seconds: float = Field(
        43_200.0, gt=0, le=31_536_000, allow_inf_nan=False, description="how long somebody who signed in stays so"
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
    def mail_server(self) -> SmtpServer | None:
        """Where reports are handed in."""
        return None if self.smtp_url is None else smtp_url.parse(self.smtp_url.get_secret_value())

    @property
    def database_name(self) -> str:
        """The database's URL without the password, for logs."""
        url = self.database_url
        return url if url.startswith("sqlite://") else postgres_url.parse(url).name

    def conflicts(self) -> Sequence[tuple[str, str]]:
        """See ``ProcessSettings``."""
        return [
            *_slot_conflicts(self),
            *_retry_conflicts(self),
            *_tls_conflicts(self),
            *_report_conflicts(self),
            *_keeping_conflicts(self),
            *_oidc_conflicts(self),
            *_plaintext_conflicts(self),
            *super().conflicts(),
        ]


def _slot_conflicts(settings: Settings) -> list[tuple[str, str]]:
    if settings.slots == 0 or settings.slots >= settings.workers:
        return []
    return [("slots", f"should be 0 or at least MAILING_WORKERS ({settings.workers})")]


def _retry_conflicts(settings: Settings) -> list[tuple[str, str]]:
    if settings.retry_max_seconds >= settings.retry_base_seconds:
        return []
    return [("retry_max_seconds", f"should be at least MAILING_RETRY_BASE_SECONDS ({settings.retry_base_seconds:g})")]


def _tls_conflicts(settings: Settings) -> list[tuple[str, str]]:
    cert, client_ca = settings.grpc_tls_cert, settings.grpc_tls_client_ca
    found = pair_conflicts("grpc_tls", cert, settings.grpc_tls_key)
    if client_ca is not None and cert is None:
        found.append(("grpc_tls_cert", "is missing: MAILING_GRPC_TLS_CLIENT_CA is set"))
    return found + ca_conflicts("grpc_tls_client_ca", client_ca)


def _keeping_conflicts(settings: Settings) -> list[tuple[str, str]]:
    # The report of a day is made up to two days after its first hours, and tried for a day.
    if settings.report_to and 0 < settings.keep_days < REPORTED_DAYS:
        return [("keep_days", f"should be 0, which is for ever, or at least {REPORTED_DAYS}: MAILING_REPORT_TO is set")]
    return []


def _oidc_conflicts(settings: Settings) -> list[tuple[str, str]]:
    if settings.oidc_issuer is None:
        others = ("oidc_client_id", "oidc_client_secret", "oidc_roles")
        return [
            ("oidc_issuer", f"is missing: MAILING_{name.upper()} is set") for name in others if getattr(settings, name)
        ]
    if settings.oidc_client_id is None:
        return [("oidc_client_id", "is missing: MAILING_OIDC_ISSUER is set")]
    if not settings.oidc_roles:
        return [("oidc_roles", "is missing: without it nobody has a role; such as it=admin,staff=viewer")]
    if "openid" not in settings.oidc_scopes.split():
        return [("oidc_scopes", "should have openid among them")]
    if not is_web_address_safe(settings.oidc_issuer, plaintext=settings.allow_plaintext):
        return [("oidc_issuer", "is beyond loopback: needs https:// or MAILING_ALLOW_PLAINTEXT=true")]
    return []


def _report_conflicts(settings: Settings) -> list[tuple[str, str]]:
    if settings.report_to and settings.smtp_url is None:
        return [("smtp_url", "is missing: MAILING_REPORT_TO is set")]
    if settings.smtp_url is not None and not settings.report_to:
        return [("report_to", "is missing: MAILING_SMTP_URL is set, which is for the report only")]
    return []


def _plaintext_conflicts(settings: Settings) -> list[tuple[str, str]]:
    """docs/behaviour.md, section 6: nothing listens or calls beyond loopback in plain text, unless somebody says so."""
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
    is_called = settings.providers is None
    if is_called and urlsplit(settings.provider_url).scheme == "http" and not settings.is_provider_local:
        # Without the URL: its path may be what a proxy knows us by.
        found.append(
            ("provider_url", f"token, numbers and texts would leave this machine in the clear: needs https:// {advice}")
        )
    if settings.mail_server is not None and not settings.mail_server.is_safe:
        found.append(("smtp_url", f"the report would leave this machine in the clear: needs TLS {advice}"))
    return found


# -- reading them ----------------------------------------------------------------------------------


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= DAYS_MAX:
        raise argparse.ArgumentTypeError(f"should be more than 0 and at most {DAYS_MAX} days")
    return days


def _token_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError("should be a number")
    return int(text)


_NAME: Final = Argument("NAME", "its name")
_FILE: Final = Argument("FILE", "the TOML file, as MAILING_PROVIDERS names it")
_NEW_FILE: Final = Argument("FILE", "the file to make")
_COPY: Final = Argument("FILE", "the file that backup has made")
_ROLE: Final = Argument("--role", "what it may do", choices=("viewer", "operator", "admin"), required=True)
_TOKEN_ROLE: Final = replace(_ROLE, choices=("viewer", "operator", "admin", "provider"))
_STDIN: Final = Argument("--password-stdin", "read the password from the first line of stdin", is_switch=True)
_WITH_TOKENS: Final = Argument("--with-tokens", "revoke the API tokens that it has made, too", is_switch=True)
_EXPIRE: Final = Argument("--expire-days", "after so many days it ends by itself", read=_days)

RUN: Final = Command("run", "run the engine (also when no command is given)")
COMMANDS: Final = (
    RUN,
    Command("migrate", "bring the database to this version's schema, and exit"),
    Command("check", "recount the counters of every mailing, repair and report what differs, and exit"),
    Command("backup", "copy the database to a file, also while engines use it, and exit", (_NEW_FILE,)),
    Command("restore", "make a database of such a file; nothing is sent from it until sending is resumed", (_COPY,)),
    Command("hold", "take the database for a copy: nothing is sent from it until sending is resumed"),
    Command("providers check", "say what a providers' file says, or what is wrong with it, and exit", (_FILE,)),
    Command("providers list", "say which providers the engine calls by its settings, and exit"),
    Command("account create", "make an account; its password is printed unless it is given", (_NAME, _ROLE, _STDIN)),
    Command("account list", "list the accounts, the revoked ones too"),
    Command("account revoke", "revoke an account and end its sessions", (_NAME, _WITH_TOKENS)),
    Command("account reset-totp", "turn off the two-step sign-in of an account whose app is lost", (_NAME,)),
    Command("token create", "make an API token, and print its secret", (_NAME, _TOKEN_ROLE, _EXPIRE)),
    Command("token list", "list the API tokens, the revoked ones too"),
    Command("token revoke", "revoke an API token", (Argument("ID", "its number, see token list", read=_token_id),)),
)


def _check(command: str, settings: Settings) -> None:
    """Only ``run`` calls providers. One that is not a sandbox needs its token; a providers' file names its own."""
    needs_token = settings.providers is None and not settings.is_provider_local
    if command == RUN.name and settings.fbrq_token is None and needs_token:
        raise BadSettings(
            "FBRQ_TOKEN: is missing: set it to the provider's token, or MAILING_PROVIDER_URL to a sandbox"
        )


ENGINE: Final = Program(
    name=PROGRAM,
    description="The engine of the Mailing Service: owns the database, sends, and serves the gRPC control API.",
    model=Settings,
    commands=COMMANDS,
    check=_check,
)


def parse(
    argv: Sequence[str], environ: Mapping[str, str], env_file: Path | None, *, commands: Sequence[Command] = COMMANDS
) -> Invocation[Settings]:
    """Read the command and the settings: see ``Program.parse``."""
    return replace(ENGINE, commands=commands).parse(argv, environ, env_file)


def load(flags: Mapping[str, Any], environ: Mapping[str, str], env_file: Path | None) -> Settings:
    """Build the settings: see ``Program.load``."""
    return ENGINE.load(flags, environ, env_file)
