"""The command line itself: its groups, the options that every command takes, and its way out."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.exceptions import Abort, TyperException
from typer.main import get_command

from cli import access, backup, clients, engine, mailings, messages, providers, report, suppressions, times, webhooks
from cli.credentials import DEFAULT_TARGET
from cli.failures import EXIT_INTERRUPTED, EXIT_SERVICE, EXIT_USAGE, Failure
from cli.session import Options
from cli.terminal import Terminal
from cli.texts import not_text
from cli.tls import TlsFiles
from common.process import end_with_parent
from common.terminal import tolerate_terminal

EPILOG = (
    "--target, --token, --tls-ca, --tls-cert, --tls-key, --allow-plaintext, --json and --utc may stand anywhere in a "
    "command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the engine can't be reached, 130 Ctrl-C."
)
_SWITCHES = ("--json", "--allow-plaintext", "--utc")
_WITH_VALUE = ("--target", "--token", "--tls-ca", "--tls-cert", "--tls-key")

app = typer.Typer(
    name="mailing",
    help="Clients, mailings, messages and the engine of the Mailing Service.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(clients.app, name="clients")
app.add_typer(mailings.app, name="mailing")
app.add_typer(messages.app, name="messages")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(engine.app, name="engine")
app.add_typer(webhooks.app, name="webhooks")
app.command("events")(webhooks.events)
app.add_typer(providers.app, name="providers")
app.command("audit")(engine.audit)
app.command("backup")(backup.backup)
app.command("report")(report.report)
app.add_typer(access.tokens, name="token")
app.add_typer(access.accounts, name="account")
app.command("whoami")(access.whoami)


@app.callback()
def options(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Option(
            envvar="MAILING_ENGINE_TARGET",
            show_envvar=True,
            help="The engine's gRPC address. Default: as .env says, or where scripts/run has started one, or "
            f"{DEFAULT_TARGET}.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MAILING_API_TOKEN",
            show_envvar=True,
            help="API token. Default: as .env says, or what scripts/run has made for the engine on this machine.",
        ),
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="MAILING_ENGINE_TLS_CA",
            help="Certificate authority (PEM) of an engine that uses TLS. Default, as of the next two: as .env says.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="MAILING_ENGINE_TLS_CERT", help="Certificate (PEM) to show to an engine that asks for one."
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(envvar="MAILING_ENGINE_TLS_KEY", help="Its private key (PEM), without a passphrase.")
    ] = None,
    allow_plaintext: Annotated[
        bool,
        typer.Option(
            "--allow-plaintext",
            envvar="MAILING_ALLOW_PLAINTEXT",
            help="Show the token to an engine beyond this machine without TLS.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Show times in UTC, not in the zone of this machine.")] = False,
) -> None:
    """Keep the common options for the command that follows."""
    tls = TlsFiles(tls_ca, tls_cert, tls_key)
    times.use_utc(utc)
    context.obj = Options(target=target or "", token=token or None, tls=tls, allow_plaintext=allow_plaintext, json=json)


def main() -> None:
    """Entry point of `mailing`: never returns, never shows a traceback for what a person can cause."""
    end_with_parent(stop_seconds=1.0)
    tolerate_terminal()
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        code = _command()(hoist(arguments), prog_name="mailing", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Failure as failure:
        return _fail(failure.lines, failure.code)
    except UnicodeEncodeError:  # gRPC takes only text
        return _fail(not_text(arguments).lines, EXIT_USAGE)
    except TyperException as error:
        return _usage(error)
    except Abort:
        return _fail(("given up",), EXIT_SERVICE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `mailing … | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SERVICE


@cache
def _command() -> Any:
    """What typer makes of all the functions; it takes 40 ms."""
    return get_command(app)


def hoist(arguments: list[str]) -> list[str]:
    """Move the common options to the front, where typer wants them, so that people may write them anywhere."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        if item == "--":
            rest += [item, *items]
        elif item in _SWITCHES or item.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            front.append(item)
        elif item in _WITH_VALUE:
            front += [item, *([value] if (value := next(items, None)) is not None else [])]
        else:
            rest.append(item)
    return front + rest


def _usage(error: TyperException) -> int:
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(message.rstrip() + "\n" if message.strip() else "")
        return EXIT_USAGE
    path = getattr(getattr(error, "ctx", None), "command_path", "mailing")
    return _fail((f"{message.rstrip('.')} (see: {path} --help)",), EXIT_USAGE)


def _fail(lines: tuple[str, ...], code: int) -> int:
    console = Terminal(stderr=True, highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(("error:", "bold red"), " ", line))
    return code
