"""The gateway's settings (docs/behaviour.md, section 7); how they are read: ``common.settings``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, Field, FilePath

from common.setting_types import Listen, Network, Seconds, host_names, is_target_loopback, listen, networks
from common.settings import Invocation, ProcessSettings, Program
from common.tls_files import ca_conflicts, pair_conflicts

PROGRAM: Final = "python -m gateway"
_MIB: Final = 1024 * 1024
SECRET_LENGTH_MIN: Final = 16


def _target(value: str) -> str:
    value = value.strip()
    if not value or any(letter.isspace() for letter in value):
        raise ValueError("should be a gRPC target, such as 127.0.0.1:50051 or dns:///engine:50051")
    return value


def _secret(value: str) -> str:
    if len(value) < SECRET_LENGTH_MIN:
        raise ValueError(f"should have {SECRET_LENGTH_MIN} characters or more, all of them random")
    return value


class Settings(ProcessSettings):
    """All settings of the gateway, valid together, never changed after start."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"admin_secret"})

    http_listen: Annotated[Listen, BeforeValidator(listen)] = Field(
        Listen("127.0.0.1", 8080), description="host:port of REST and the panel; port 0: any free one"
    )
    http_hosts: Annotated[tuple[str, ...], BeforeValidator(host_names)] = Field(
        (), description="names by which HTTP may be called, beside addresses and localhost; none given: any name"
    )
    http_tls_cert: FilePath | None = Field(None, description="certificate chain (PEM) for HTTPS")
    http_tls_key: FilePath | None = Field(None, description="its private key (PEM)")
    engine_target: Annotated[str, AfterValidator(_target)] = Field(
        "127.0.0.1:50051", description="the engine's gRPC target; several behind one name, or in a list, take turns"
    )
    engine_tls_ca: FilePath | None = Field(None, description="certificate authority (PEM) of an engine that uses TLS")
    engine_tls_cert: FilePath | None = Field(None, description="certificate (PEM) to show to the engine")
    engine_tls_key: FilePath | None = Field(None, description="its private key (PEM)")
    call_seconds: Seconds = Field(15.0, description="how long the engine may take for one answer")
    http_body_bytes: int = Field(_MIB, ge=1024, le=64 * _MIB, description="size of a request's body, at most")
    http_import_bytes: int = Field(1024 * _MIB, ge=0, description="size of an import, at most; 0: no limit")
    http_workbook_bytes: int = Field(
        32 * _MIB, ge=1024, le=256 * _MIB, description="size of a workbook (.xlsx) that is imported, at most"
    )
    http_import_seconds: Seconds = Field(3600.0, description="how long an import may take")
    http_imports: int = Field(16, ge=1, le=1000, description="imports that run at a time, at most")
    http_caller_imports: int = Field(4, ge=1, le=1000, description="of them of one caller, at most")
    http_header_bytes: int = Field(
        16_384, ge=1024, le=_MIB, description="size of a request's line, and of each of its headers, at most"
    )
    http_json_depth: int = Field(32, ge=4, le=500, description="how deep lists and objects may lie in each other")
    http_page_size: int = Field(1000, ge=1, le=1000, description="rows of a list in one answer, at most")
    http_idle_seconds: Seconds = Field(60.0, description="how long a connection may stay open between two requests")
    http_read_seconds: Seconds = Field(
        15.0, description="how long a header may take, or the next piece of a body may be waited for"
    )
    http_body_rate: int = Field(
        100,
        ge=0,
        le=_MIB,
        description="bytes a second in which a body must come, once http_read_seconds are over; 0: any",
    )
    http_write_seconds: Seconds = Field(30.0, description="how long somebody may take none of an answer")
    http_token_rate: int = Field(
        5000, ge=0, le=1_000_000, description="requests a second with one token, at most; 0: no limit"
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(networks)] = Field(
        (), description="addresses or networks (CIDR) of reverse proxies whose X-Forwarded-For is believed"
    )
    admin_secret: Annotated[str, AfterValidator(_secret)] | None = Field(
        None, repr=False, description="what the panel's cookies are encrypted with; made at the first start"
    )
    admin_secret_file: Path = Field(
        Path("data/admin-secret"), description="where the one made at the first start is kept"
    )
    confirm_above: int = Field(
        1000, ge=0, description="the panel has the number of clients typed before it sends to more than so many"
    )
    http_connections: int = Field(1000, ge=1, le=100_000, description="open connections, at most")
    http_address_connections: int = Field(
        200, ge=1, le=100_000, description="of them of one address, at most; loopback and trusted proxies may have more"
    )
    http_hsts_seconds: int = Field(
        31_536_000, ge=0, description="how long browsers are to insist on HTTPS, once they came by it; 0: not told"
    )

    @property
    def uses_tls(self) -> bool:
        """True when HTTP is served over TLS."""
        return self.http_tls_cert is not None

    def conflicts(self) -> Sequence[tuple[str, str]]:
        """See ``ProcessSettings``."""
        return [*_tls_conflicts(self), *_other_conflicts(self), *super().conflicts()]


def _tls_conflicts(settings: Settings) -> list[tuple[str, str]]:
    return [
        *pair_conflicts("http_tls", settings.http_tls_cert, settings.http_tls_key),
        *pair_conflicts("engine_tls", settings.engine_tls_cert, settings.engine_tls_key),
        *ca_conflicts("engine_tls_ca", settings.engine_tls_ca),
    ]


def _other_conflicts(settings: Settings) -> list[tuple[str, str]]:
    found = []
    if settings.engine_tls_cert is not None and settings.engine_tls_ca is None:
        found.append(("engine_tls_ca", "is missing: MAILING_ENGINE_TLS_CERT is set"))
    # Nothing listens or calls beyond loopback in plain text, unless somebody says so.
    if not (settings.http_listen.is_loopback or settings.uses_tls or settings.allow_plaintext):
        needed = "needs MAILING_HTTP_TLS_CERT or MAILING_ALLOW_PLAINTEXT=true"
        found.append(("http_listen", f"{settings.http_listen} is beyond loopback: {needed}"))
    if not (is_target_loopback(settings.engine_target) or settings.engine_tls_ca or settings.allow_plaintext):
        needed = "needs MAILING_ENGINE_TLS_CA or MAILING_ALLOW_PLAINTEXT=true"
        found.append(("engine_target", f"tokens would reach {settings.engine_target} in the clear: {needed}"))
    return found


GATEWAY: Final = Program(
    name=PROGRAM,
    description="The gateway of the Mailing Service: REST and its documentation, over gRPC to the engine.",
    model=Settings,
)


def parse(argv: Sequence[str], environ: Mapping[str, str], env_file: Path | None) -> Invocation[Settings]:
    """Read the settings: see ``Program.parse``."""
    return GATEWAY.parse(argv, environ, env_file)


def load(flags: Mapping[str, Any], environ: Mapping[str, str], env_file: Path | None) -> Settings:
    """Build the settings: see ``Program.load``."""
    return GATEWAY.load(flags, environ, env_file)
