"""Run the service on this machine: migrate, start sandbox, engine and gateway, wait, stop all in order (scripts/run).

Children write to files under the data folder; this process prints what a person needs.
Exit codes: 0 stopped on request (Ctrl-C, SIGTERM), 1 something failed (one line says what), 2 a bad setting or flag.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep, strftime
from typing import Any, Final

from dotenv import dotenv_values

from common import private
from scripts.processes import (
    POLL_SECONDS,
    Child,
    Failed,
    Stopped,
    claim_port,
    get,
    hear_signals,
    ignore_signals,
    run_watched,
    wait_until,
)
from scripts.provider_token import keep_provider_token
from scripts.sandbox_file import write_providers
from scripts.sandbox_names import DEFAULT_TOKEN, NAMES
from scripts.sign_in import PASSWORD, TOKEN, SignIn, forget_addresses, keep_addresses, sign_in
from scripts.totals import compare, waiting

ROOT: Final = Path(__file__).resolve().parent.parent
LISTENS: Final = {
    "MAILING_GRPC_LISTEN": "127.0.0.1:50051",
    "MAILING_METRICS_LISTEN": "127.0.0.1:9101",
    "MAILING_HTTP_LISTEN": "127.0.0.1:8080",
    "MAILING_SANDBOX_LISTEN": "127.0.0.1:8090",
}
PROVIDER_SETTINGS: Final = frozenset({"FBRQ_TOKEN", "MAILING_PROVIDER_URL", "MAILING_PROVIDERS"})
"""Whoever sets one of them has a provider."""
READY_SECONDS: Final = 180.0
STOP_MARGIN_SECONDS: Final = 5.0
DEMO_CLIENTS: Final = 10_000
# A provider like real ones: takes its time, refuses a few numbers for ever, and fails now and then.
DEMO_FAULTS: Final = ("--latency-seconds", "0.01-0.05", "--share-400", "0.01", "--share-5xx", "0.02")
# What it says later: most texts arrive, after a while; a few receipts never come, some twice or out of order.
DEMO_RECEIPTS: Final = (
    *("--delay-seconds", "0.5-4", "--share-undelivered", "0.03"),
    *("--share-lost", "0.01", "--share-repeated", "0.02", "--share-reordered", "0.02"),
)
DEMO_RATE: Final = 150.0
"""Of each of several providers, messages a second: there is a minute in which to press a switch and watch."""
RECEIPTS_SECONDS: Final = 20.0
"""After so long the receipts of a mailing that is done are there."""
DEMO_RETRY: Final = {"MAILING_RETRY_BASE_SECONDS": "0.5", "MAILING_RETRY_MAX_SECONDS": "5"}
DEMO_TEXT: Final = "Здравствуйте! Завтра с 10:00 до 18:00 скидка 20 % на всё. Ждём вас!"


@dataclass
class Run:
    """What has been decided, and what runs, in the order of starting."""

    environ: dict[str, str]
    folder: Path
    """Logs and, in a demo, the database and the clients."""
    is_demo: bool
    has_sandbox: bool
    """Decided once, before the sandbox's own address and token are put into the environment."""
    providers: int
    """Of the sandbox."""
    data: Path
    """Where the sign-in is kept: the same for every demo, so that a terminal's `mailing` finds it."""
    children: list[Child] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    """Where it listens, once that is written down beside the sign-in."""
    before: dict[str, str] = field(default_factory=dict)
    """Where another run listened, which was started in the same folder and may go on when this one ends."""

    @property
    def provider_token(self) -> Path:
        """Has the token with which the sandbox hands in what people answer; beside the database that knows it."""
        return self.folder / "sandbox-token"

    @property
    def sandbox_url(self) -> str:
        """The sandbox's page; its control API is below ``/sandbox/``."""
        return f"http://{self.environ['MAILING_SANDBOX_LISTEN']}"

    @property
    def providers_file(self) -> Path:
        """Says which providers the sandbox has, when there are several."""
        return self.folder / "providers.toml"

    @property
    def gateway_url(self) -> str:
        """The gateway's address, without a path."""
        scheme = "https" if self.environ.get("MAILING_HTTP_TLS_CERT") else "http"
        return f"{scheme}://{self.environ['MAILING_HTTP_LISTEN']}"

    def python(self, *arguments: str) -> list[str]:
        """A command of this project's Python."""
        return [sys.executable, *arguments]

    def mailing(self, *arguments: str) -> list[str]:
        """A ``mailing`` command."""
        return self.python("-m", "cli", *arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = _parser().parse_args(argv)
    os.chdir(ROOT)
    private.umask()  # of this process and of all that it starts
    run = _decide(options)
    code = 0
    try:
        hear_signals()
        if run.providers > 1 and not run.has_sandbox:
            raise Failed(
                "--providers is for the sandbox, and a provider is set (FBRQ_TOKEN, …); --demo takes it anyway"
            )
        code = _run(run, ends=options.exit)
    except Stopped:
        print("\nStopping.", flush=True)
    except Failed as error:
        print(f"run: {error}", file=sys.stderr)
        code = 1
    return _stop(run) or code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Migrate, start engine and gateway, and the sandbox when there is no FBRQ_TOKEN. Ctrl-C stops all.",
        epilog="Settings come from the environment and .env, as for python -m engine and python -m gateway; port 0 is "
        "any free one. MAILING_ADMIN_PASSWORD and MAILING_API_TOKEN, if not set, are made at the first start and kept "
        "in sign-in.env in the data folder. Beside those: MAILING_SANDBOX_LISTEN (127.0.0.1:8090), "
        "MAILING_FREE_PORTS=1 (as --free-ports), MAILING_RUN_FOLDER (data: logs, demos, sign-in.env), MAILING_PYTHON "
        "(makes .venv).",
    )
    parser.add_argument(
        "--demo", action="store_true", help=f"import {DEMO_CLIENTS} sample clients, send them a mailing"
    )
    parser.add_argument("--exit", action="store_true", help="with --demo: end when the mailing is done")
    parser.add_argument(
        "--providers",
        type=int,
        choices=range(1, len(NAMES) + 1),
        default=1,
        help="how many providers the sandbox has (1); with several, one takes over when another fails",
    )
    parser.add_argument("--free-ports", action="store_true", help="listen on any free ports")
    return parser


def _decide(options: argparse.Namespace) -> Run:
    """Put together the children's environment: what is set goes before ``.env`` before our defaults."""
    # An empty variable counts as not set, as for the engine.
    given = {name: value for name, value in os.environ.items() if value}
    environ = {name: value for name, value in dotenv_values(".env", interpolate=False).items() if value} | given
    if options.free_ports or environ.get("MAILING_FREE_PORTS", "").lower() in {"1", "true", "yes"}:
        environ |= dict.fromkeys(LISTENS, "127.0.0.1:0")
    data = folder = Path(environ.get("MAILING_RUN_FOLDER", "data"))
    environ.setdefault("MAILING_ADMIN_SECRET_FILE", str(data / "admin-secret"))
    if options.demo:
        folder = folder / f"demo-{strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        environ |= {**DEMO_RETRY, "MAILING_DATABASE_URL": f"sqlite://{folder / 'mailing.db'}"}
    # A demo never reaches a real provider: its phone numbers may be somebody's.
    has_sandbox = options.demo or not (PROVIDER_SETTINGS & environ.keys())
    return Run(LISTENS | environ, folder, options.demo, has_sandbox, options.providers, data)


def _run(run: Run, *, ends: bool) -> int:
    for name in LISTENS:
        if name != "MAILING_SANDBOX_LISTEN" or run.has_sandbox:
            run.environ[name] = claim_port(run.environ[name], name)
    run.environ["MAILING_ENGINE_TARGET"] = run.environ["MAILING_GRPC_LISTEN"]
    private.make_folder(run.folder)
    access = sign_in(run.environ, run.data)
    run.environ |= access.environ
    if run.has_sandbox:
        _start_sandbox(run)
    code = run_watched(run.python("-m", "engine", "migrate"), run.environ, run.children)
    if code != 0:
        return code
    _start_engine(run)
    _start_gateway(run)
    if run.has_sandbox:
        _let_sandbox_answer(run)
    _keep_addresses(run)
    _announce(run, access)
    if run.is_demo:
        _demo(run)
        if ends:
            return 0
    print("Ctrl-C stops all.", flush=True)
    while True:
        for child in run.children:
            child.check()
        sleep(POLL_SECONDS)


def _start_sandbox(run: Run) -> None:
    listen = run.environ["MAILING_SANDBOX_LISTEN"]
    command = run.python("scripts/sandbox_provider.py", "--listen", listen, "--token", DEFAULT_TOKEN)
    command += ["--service-url", run.gateway_url, "--service-token-file", str(run.provider_token), "--receipts"]
    command += ["--providers", str(run.providers), *((*DEMO_FAULTS, *DEMO_RECEIPTS) if run.is_demo else ())]
    run.children.append(Child("sandbox", command, run.environ, run.folder / "sandbox.log"))
    run.environ |= _address_of_sandbox(run)
    if not wait_until(lambda: get(f"{run.sandbox_url}/sandbox/stats")[0] == 200, run.children, READY_SECONDS):
        raise Failed(f"the sandbox does not answer at {run.sandbox_url}")


def _address_of_sandbox(run: Run) -> dict[str, str]:
    """What tells the engine to send its texts there."""
    environ = {"FBRQ_TOKEN": DEFAULT_TOKEN, "MAILING_PROVIDER_URL": f"{run.sandbox_url}/v1"}
    # One provider needs no file. But a file may be set, and a demo never reaches the providers of that.
    if run.providers > 1 or "MAILING_PROVIDERS" in run.environ:
        rate = DEMO_RATE if run.is_demo and run.providers > 1 else 0
        environ |= write_providers(run.providers_file, run.sandbox_url, run.providers, rate)
    return environ


def _start_engine(run: Run) -> None:
    run.children.append(Child("engine", run.python("-m", "engine"), run.environ, run.folder / "engine.log"))
    ready = f"http://{run.environ['MAILING_METRICS_LISTEN']}/readyz"
    if not wait_until(lambda: get(ready)[0] == 200, run.children, READY_SECONDS):
        raise Failed(f"the engine is not ready after {READY_SECONDS:g} s: {get(ready)[1].strip()}")


def _start_gateway(run: Run) -> None:
    run.children.append(Child("gateway", run.python("-m", "gateway"), run.environ, run.folder / "gateway.log"))
    ready = f"{run.gateway_url}/readyz"
    if not wait_until(lambda: get(ready)[0] == 200, run.children, READY_SECONDS):
        raise Failed(f"the gateway is not ready after {READY_SECONDS:g} s: {get(ready)[1].strip()}")


def _let_sandbox_answer(run: Run) -> None:
    """Without this all else works: it is no reason to stop."""
    try:
        keep_provider_token(run.provider_token, run.gateway_url, run.environ[TOKEN])
    except Failed as error:
        print(f"run: {error}", file=sys.stderr)


def _keep_addresses(run: Run) -> None:
    """For the `mailing` command, and for commands of the README."""
    run.addresses = {
        "MAILING_ENGINE_TARGET": run.environ["MAILING_GRPC_LISTEN"],
        "MAILING_HTTP_URL": run.gateway_url,
        "MAILING_METRICS_URL": f"http://{run.environ['MAILING_METRICS_LISTEN']}",
    }
    if run.has_sandbox:
        run.addresses["MAILING_SANDBOX_URL"] = run.sandbox_url
    run.before = keep_addresses(run.data, run.addresses)


def _announce(run: Run, access: SignIn) -> None:
    """The addresses, the sign-in, and first commands to try. What a person has set is no business of the terminal."""
    grpc, metrics = run.environ["MAILING_GRPC_LISTEN"], run.environ["MAILING_METRICS_LISTEN"]
    target = "" if grpc == LISTENS["MAILING_GRPC_LISTEN"] else f" --target {grpc}"
    provider = f"{run.sandbox_url}/  (sandbox: {_of_the_sandbox(run)})" if run.has_sandbox else "as set"
    password = access.environ[PASSWORD] if PASSWORD in access.made else f"{PASSWORD}, as set"
    token = access.environ[TOKEN] if TOKEN in access.made else f"{TOKEN}, as set"
    bearer = access.environ[TOKEN] if TOKEN in access.made else f"${TOKEN}"
    rows = {
        "panel": f"{run.gateway_url}/admin/",
        "sign in as": f"admin, {password}",
        "Swagger UI": f"{run.gateway_url}/api/v1/docs/",
        "API token": f"{token}  (for its button Authorize)",
        "engine, gRPC": grpc,
        "metrics": f"http://{metrics}/metrics  (health: /readyz)",
        "provider": provider,
        "logs": f"{run.folder}/engine.log, {run.folder}/gateway.log",
        "try": f".venv/bin/mailing{target} engine status",
        "or": f'curl -H "Authorization: Bearer {bearer}" {run.gateway_url}/api/v1/engine',
    }
    if access.made:
        rows["sign in as"] += f"  (this and the token are kept in {access.file})"
    print(
        "\nThe mailing service runs.", *(f"  {name:<13} {value}" for name, value in rows.items()), sep="\n", flush=True
    )


def _of_the_sandbox(run: Run) -> str:
    if run.providers == 1:
        return "the texts it got, to be answered"
    return f"{' and '.join(NAMES[: run.providers])}; press Outage of {NAMES[0]} and watch"


def _demo(run: Run) -> None:
    """Import clients, register a mailing, show its progress, compare with what the sandbox counted."""
    clients = run.folder / "clients.csv"
    print(f"\nDemo: {DEMO_CLIENTS} clients, made up: {clients}", flush=True)
    arguments = ("--count", str(DEMO_CLIENTS), "--seed", "1", "--output", str(clients))
    _do(run, run.python("scripts/make_clients.py", *arguments))
    _do(run, run.mailing("clients", "import", str(clients)))
    mailing = _ask(run, "mailing", "create", "--text", DEMO_TEXT, "--end", "+1h")
    _do(run, run.mailing("mailing", "watch", str(mailing["id"])))
    print("Receipts are still coming.", flush=True)
    wait_until(lambda: waiting(_sandbox(run)) == 0, run.children, RECEIPTS_SECONDS)
    compare(_ask(run, "mailing", "stats", str(mailing["id"])), _sandbox(run), DEMO_CLIENTS)


def _sandbox(run: Run) -> Mapping[str, Any]:
    """What the sandbox says of its providers."""
    overview: Mapping[str, Any] = json.loads(get(f"{run.sandbox_url}/sandbox/providers")[1])
    return overview


def _do(run: Run, command: Sequence[str]) -> None:
    code = run_watched(command, run.environ, run.children)
    if code != 0:
        raise Failed(f"'{' '.join(command[1:5])} …' ended with exit code {code}")


def _ask(run: Run, *command: str) -> Mapping[str, object]:
    """A ``mailing`` command's answer, as JSON."""
    answer = run.folder / "answer.json"
    with answer.open("wb") as out:
        code = run_watched(run.mailing("--json", *command), run.environ, run.children, out)
    if code != 0:
        raise Failed(f"'mailing {' '.join(command[:2])} …' ended with exit code {code}")
    value: Mapping[str, object] = json.loads(answer.read_text(encoding="utf-8"))
    answer.unlink()
    return value


def _stop(run: Run) -> int:
    """Stop in the reverse order of starting: each can still call what it needs while it ends. Return the exit code."""
    ignore_signals()
    limit_seconds = float(run.environ.get("MAILING_SHUTDOWN_SECONDS", "10")) + STOP_MARGIN_SECONDS
    code = 0
    while run.children:
        child = run.children.pop()
        if not child.stop(limit_seconds):
            print(f"run: the {child.name} did not stop cleanly, see {child.log}", file=sys.stderr)
            code = 1
    try:
        answers = get(f"{run.before.get('MAILING_HTTP_URL')}/healthz")[0] == 200
        forget_addresses(run.data, run.addresses, run.before if answers else {})
    except Failed as error:
        print(f"run: {error}", file=sys.stderr)
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
