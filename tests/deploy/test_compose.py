"""docker-compose.yml: each service may do no more than it must, and its settings are ones that the programs know.

There is no Docker where these tests run: what Docker itself does with the file, they don't see.
"""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from common.settings import ProcessSettings, Program
from engine.settings import ENGINE
from gateway.settings import GATEWAY
from scripts.sandbox_provider import _parser

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[dict[str, Any]] = import_module("yaml").safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("migrate", "engine", "gateway", "sandbox")
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    uid, gid = service["user"].split(":")
    assert 0 not in (int(uid), int(gid))
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "devices", "network_mode", "pid", "ipc", "userns_mode"} & service.keys()
    for mount in service["tmpfs"]:
        options = mount.partition(":")[2].split(",")
        assert {"noexec", "nosuid", "nodev"} <= set(options)
        assert options[0].startswith("size=")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_held_to_its_share_of_the_machine(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9][0-9]*[mg]", service["mem_limit"])
    assert 0 < float(service["cpus"]) <= 2
    assert 0 < service["pids_limit"] <= 256
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", SERVICES)
def test_only_volumes_are_written_to_and_only_loopback_is_published(name: str) -> None:
    service = SERVICES[name]
    for volume in service.get("volumes", ()):
        assert volume.partition(":")[0] in COMPOSE["volumes"]  # no folder of the host, no socket of Docker
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")
    assert service["networks"]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()


def test_who_reaches_whom() -> None:
    """The gateway neither the database nor the provider; the database nobody but the engine, and no other machine."""
    members = {name: {each for each in SERVICES if name in SERVICES[each]["networks"]} for name in COMPOSE["networks"]}
    assert members == {
        "api": {"engine", "gateway"},
        "provider": {"engine", "sandbox"},
        "database": {"engine", "migrate", "postgres"},
    }
    assert COMPOSE["networks"]["database"]["internal"] is True


def test_the_image_s_account_is_the_one_that_the_services_run_as() -> None:
    (user,) = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {SERVICES[name]["user"] for name in OURS} == {user}
    uid, gid = user.split(":")
    assert f"--uid {uid}" in DOCKERFILE
    assert f"--gid {gid}" in DOCKERFILE
    assert DOCKERFILE.index("USER ") < DOCKERFILE.index("ENTRYPOINT ")


def test_the_gateway_is_given_no_secret_of_the_engine() -> None:
    assert not {"FBRQ_TOKEN", "MAILING_DATABASE_URL", "MAILING_API_TOKEN"} & SERVICES["gateway"]["environment"].keys()


@pytest.mark.parametrize(("name", "program"), [("engine", ENGINE), ("migrate", ENGINE), ("gateway", GATEWAY)])
def test_its_settings_are_read_and_fit_together(name: str, program: Program[ProcessSettings]) -> None:
    environ = {variable: _default(str(value)) for variable, value in SERVICES[name]["environment"].items()}
    known = {program.variable(field) for field in program.model.model_fields}
    # Of the command line client in the engine's container, and of SQLite itself.
    assert environ.keys() - known <= {"MAILING_ENGINE_TARGET", "SQLITE_TMPDIR"}
    arguments = shlex.split(" ".join(SERVICES[name].get("command", [])))
    settings = program.parse(arguments, environ, None).settings
    assert settings.allow_plaintext


def test_the_sandbox_s_command_is_understood_and_knows_its_name() -> None:
    program, script, *arguments = SERVICES["sandbox"]["entrypoint"]
    assert (program, (ROOT / script).exists()) == ("python", True)
    assert _parser().parse_args(arguments).allow_host == ["sandbox"]
    assert _default(SERVICES["engine"]["environment"]["MAILING_PROVIDER_URL"]).startswith("http://sandbox:")


def test_what_the_image_needs_is_copied_into_it() -> None:
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for each in source.split():
            assert (ROOT / each).exists(), each


def _default(value: str) -> str:
    """What Compose puts in where nothing is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value)


def test_what_the_image_is_made_of_is_let_through() -> None:
    """`.dockerignore` keeps everything out that it does not name."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    sources = [path for line in re.findall(r"^COPY (?!--)(.+)", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]]
    assert "cli" in sources
    assert [path for path in sources if path not in let_through] == []
