"""scripts/launch.py: what ./scripts/run does, with a real engine, gateway and sandbox, on free ports."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.provider.entries import FbrqEntry
from engine.provider.file import read_providers
from scripts import launch
from scripts.launch import DEMO_CLIENTS, _address_of_sandbox, _decide
from scripts.processes import claim_port, get
from tests.patience import PATIENT_SECONDS
from tests.scripts.launched import CLEAN, PATH, ROOT, Launched, up


def options(*, demo: bool = False, free_ports: bool = False, providers: int = 1) -> argparse.Namespace:
    return argparse.Namespace(demo=demo, free_ports=free_ports, providers=providers, exit=False)


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without our variables, in an empty folder."""
    for name in os.environ.keys() - CLEAN.keys():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


# -- what is decided -------------------------------------------------------------------------------


def test_environment_goes_before_file_before_defaults(environ: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MAILING_GRPC_LISTEN=127.0.0.1:1 # one\nMAILING_METRICS_LISTEN=127.0.0.1:2\nFBRQ_TOKEN=\n")
    environ.setenv("MAILING_METRICS_LISTEN", "127.0.0.1:3")
    environ.setenv("MAILING_SANDBOX_LISTEN", "")
    run = _decide(options())
    assert run.environ["MAILING_GRPC_LISTEN"] == "127.0.0.1:1"
    assert run.environ["MAILING_METRICS_LISTEN"] == "127.0.0.1:3"
    assert run.environ["MAILING_SANDBOX_LISTEN"] == "127.0.0.1:8090"
    assert run.has_sandbox


@pytest.mark.parametrize("name", ["FBRQ_TOKEN", "MAILING_PROVIDER_URL", "MAILING_PROVIDERS"])
def test_sandbox_runs_only_when_no_provider_is_set(environ: pytest.MonkeyPatch, name: str) -> None:
    environ.setenv(name, "something")
    assert not _decide(options()).has_sandbox


def test_demo_never_reaches_a_real_provider_nor_the_real_data(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("FBRQ_TOKEN", "real")
    environ.setenv("MAILING_PROVIDERS", "real.toml")
    environ.setenv("MAILING_DATABASE_URL", "postgres://u@h/production")
    run = _decide(options(demo=True))
    assert run.has_sandbox
    assert run.environ["MAILING_DATABASE_URL"] == f"sqlite://{run.folder / 'mailing.db'}"
    assert run.folder.name.startswith("demo-")
    told = _address_of_sandbox(run)
    assert told["MAILING_PROVIDER_URL"] == "http://127.0.0.1:8090/v1"
    (provider,) = read_providers(Path(told["MAILING_PROVIDERS"]), told)
    assert isinstance(provider.entry, FbrqEntry)
    assert (provider.entry.url, provider.secrets["token"]) == (told["MAILING_PROVIDER_URL"], told["FBRQ_TOKEN"])


def test_several_providers_are_of_the_sandbox_only(tmp_path: Path) -> None:
    """A real provider's texts must not end in a sandbox unseen."""
    started = Launched(tmp_path, "--free-ports", "--providers", "2", FBRQ_TOKEN="real")
    assert started.process.wait(30) == 1
    assert started.text().startswith("run: --providers is for the sandbox, and a provider is set")


def test_free_ports(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("MAILING_FREE_PORTS", "1")
    for run in (_decide(options()), _decide(options(free_ports=True))):
        assert {run.environ[name] for name in launch.LISTENS} == {"127.0.0.1:0"}


# -- the real thing --------------------------------------------------------------------------------


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    """Engine, gateway and sandbox, up."""
    with up(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """The same for those who don't stop it."""
    with up(tmp_path_factory.mktemp("shared")) as started:
        yield started


def runs_until(launched: Launched, number: signal.Signals) -> None:
    """It serves, and all of it ends when it is told to by this signal."""
    metrics = re.search(r"http://\S+(?=/metrics)", launched.text())
    assert metrics
    assert get(f"{metrics[0]}/readyz")[0] == 200
    sandbox = re.search(r"http://\S+(?=/  \(sandbox)", launched.text())
    assert sandbox
    assert get(f"{sandbox[0]}/sandbox/stats")[0] == 200
    children = launched.children()
    assert len(children) == 3
    launched.process.send_signal(number)
    launched.process.send_signal(signal.SIGTERM)
    assert launched.process.wait(30) == 0, launched.text()
    assert launched.text().splitlines()[-1] == "Stopping."
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_the_commands_of_the_quick_start_find_it_on_any_port(shared: Launched) -> None:
    """Those that are written there, word for word: where the addresses and the token are is in data/sign-in.env."""
    (shared.folder / "friends.csv").write_text("phone_number\n79161234567\n")
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert not re.search(r"127\.0\.0\.1:(8080|8090|9101|50051)", "".join(blocks))
    lines = [
        line
        for block in blocks
        for line in block.splitlines()
        if re.match(r"(set -a; )?\. data/|rest|ask|curl|mailing engine", line)
    ]
    lines = [line for line in lines if "mailings/1" not in line and '"mailing_id": 1' not in line]  # the demo's
    assert [line.split()[0] for line in lines if re.match(r"\w+ ", line)] == [
        "mailing", "curl", "curl", "rest", "set", "ask"
    ]  # fmt: skip
    ours = ["set -e", 'mailing() { python -m cli "$@"; }', 'curl() { command curl -fsS "$@"; }']
    answer = subprocess.run(
        ["bash", "-c", "\n".join([*ours, *lines])],
        env={
            **CLEAN,
            "PYTHONPATH": PATH,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        cwd=shared.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert '"created":1' in answer.stdout
    assert "share_5xx" in answer.stdout
    assert "mailing.v1.MailingService/CreateMailing" in answer.stdout


def test_all_end_when_the_command_is_killed(launched: Launched) -> None:
    """kill -9, which it can't hear: the next start must not find the ports taken."""
    ports = [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)/(?:admin|metrics|  )", launched.text())]
    assert len(ports) == 3
    children = launched.children()
    assert len(children) == 3
    launched.process.kill()
    launched.process.wait(10)
    deadline = time.monotonic() + PATIENT_SECONDS
    while any(is_running(child) for child in children):
        assert time.monotonic() < deadline, [child for child in children if is_running(child)]
        time.sleep(0.05)
    for port in ports:
        assert claim_port(f"127.0.0.1:{port}", "") == f"127.0.0.1:{port}"
    logs = {name: (launched.folder / "data" / f"{name}.log").read_text() for name in ("engine", "gateway")}
    assert {name: f"{name}.stopped" in log for name, log in logs.items()} == {"engine": True, "gateway": True}


def is_running(pid: int) -> bool:
    """Whether a process does anything still; what nobody has waited for yet does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_is_printed_to_try_works(shared: Launched) -> None:
    """The panel first, the docs page, the curl word for word, the password, and `mailing` with the kept token."""
    (first,) = shared.text().partition("runs.\n")[2].splitlines()[:1]
    panel = re.fullmatch(r"  panel +(http://\S+)/admin/", first)
    assert panel
    assert "/admin/static/admin.js" in get(f"{panel[1]}/admin/")[1]
    assert get(f"{panel[1]}/")[1] == get(f"{panel[1]}/admin/")[1]
    page = re.search(r"http://\S+/api/v1/docs/", shared.text())
    assert page
    status, html = get(page[0])
    assert (status, "<html" in html) == (200, True)
    line = re.search(r"curl .+", shared.text())
    assert line
    _, _, header, url = shlex.split(line[0])
    assert asked(url, header)["sending"] == "running"
    sign_in = re.search(r"sign in as +admin, (\S+)", shared.text())
    assert sign_in
    session = asked(url.replace("/engine", "/session"), body={"name": "admin", "password": sign_in[1]})
    assert session["identity"]["role"] == "admin"
    command = re.search(r"\.venv/bin/mailing( .+)", shared.text())
    assert command
    answer = subprocess.run(
        [sys.executable, "-m", "cli", *shlex.split(command[1]), "--json"],
        env={**CLEAN, "PYTHONPATH": PATH, "MAILING_RUN_FOLDER": str(shared.folder / "data")},
        cwd=shared.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)["sending"] == "running"
    assert (shared.folder / "data" / "admin-secret").exists()


def asked(url: str, header: str | None = None, body: Mapping[str, str] | None = None) -> Any:
    """What the gateway answers, as values."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    if header is not None:
        request.add_header(*header.split(": ", 1))
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENT_SECONDS) as answer:
        return json.loads(answer.read())


def test_what_a_person_has_set_is_not_printed(tmp_path: Path) -> None:
    secrets = {"MAILING_ADMIN_PASSWORD": "correct horse battery", "MAILING_API_TOKEN": "a-token-of-ones-own"}
    with up(tmp_path, **secrets) as started:
        runs_until(started, signal.SIGTERM)
    assert not any(secret in started.text() for secret in secrets.values())
    assert '"Authorization: Bearer $MAILING_API_TOKEN"' in started.text()
    assert not (tmp_path / "data" / "sign-in.env").exists()


def test_child_that_dies_stops_the_others(launched: Launched) -> None:
    children = launched.children()  # not in the order of their numbers: those begin anew after the last
    (sandbox,) = [pid for pid in children if b"sandbox_provider" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(sandbox, signal.SIGKILL)
    assert launched.process.wait(30) == 1
    assert "run: the sandbox was killed by signal 9; the end of " in launched.text()
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_port_in_use_ends_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = {"MAILING_METRICS_LISTEN": "127.0.0.1:0", "MAILING_HTTP_LISTEN": "127.0.0.1:0"}
        started = Launched(tmp_path, MAILING_GRPC_LISTEN=address, **ports)
        assert started.process.wait(30) == 1
    assert started.text().startswith(f"run: can't listen on {address} (MAILING_GRPC_LISTEN): Address already in use")
    assert not (tmp_path / "mailing.db").exists()


def test_bad_setting_ends_with_its_line_and_exit_code_2(tmp_path: Path) -> None:
    started = Launched(tmp_path, "--free-ports", MAILING_WORKERS="many")
    assert started.process.wait(30) == 2
    (line,) = started.text().splitlines()
    assert line.startswith("python -m engine: MAILING_WORKERS: ")


@pytest.mark.slow
def test_demo_delivers_ten_thousand(tmp_path: Path) -> None:
    """The whole of it: 10,000 = sent + not sent, as the sandbox's own count says too."""
    started = Launched(tmp_path, "--demo", "--exit", "--free-ports")
    assert started.process.wait(55) == 0, started.text()
    found = re.search(r"Engine:  10000 = (\d+) sent \+ (\d+) not sent", started.text())
    assert found
    assert int(found[1]) + int(found[2]) == DEMO_CLIENTS
    (file,) = tmp_path.glob("data/demo-*/mailing.db")
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT status, count(*) FROM message GROUP BY status ORDER BY status").fetchall() == [
            (3, int(found[1])),
            (4, int(found[2])),
        ]


def test_who_answers_stop_on_the_sandbox_s_page_is_on_the_stop_list(shared: Launched) -> None:
    """As a provider hands it in, with the token that is kept beside the database."""
    sandbox = re.search(r"http://\S+(?=/  \(sandbox)", shared.text())
    page = re.search(r"http://\S+(?=/api/v1/docs/)", shared.text())
    assert sandbox
    assert page
    for text, action in (("Who is this?", "ignored"), ("Стоп!", "suppressed"), ("STOP", "suppressed")):
        status, answer = get(f"{sandbox[0]}/sandbox/replies", body={"phone": 79160000001, "text": text})
        assert (status, json.loads(answer)["action"]) == (200, action)
    token = re.search(r"mlt_\S+", shared.text())
    assert token
    found = json.loads(get(f"{page[0]}/api/v1/suppressions", token=token[0])[1])["suppressions"]
    assert [(each["phone_number"], each["reason"], each["source"]) for each in found] == [
        ("79160000001", "opt_out", "inbound")
    ]
    kept = shared.folder / "data" / "sandbox-token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert get(f"{page[0]}/api/v1/clients", token=kept.read_text())[0] == 403


def test_runs_until_it_is_told_to_stop(shared: Launched) -> None:
    """The last of this file: the others share what ends here."""
    runs_until(shared, signal.SIGINT)
