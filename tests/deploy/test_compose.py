"""docker-compose.yml: each service may do no more than it must, and its settings are ones that the programs know.

There is no Docker where these tests run: what Docker itself does with the file, they don't see.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from common.settings import ProcessSettings, Program
from engine.settings import ENGINE
from gateway.settings import GATEWAY
from scripts.sandbox_provider import _parser
from scripts.try_image import Image, health_command, steps_of
from tests.deploy.schemas import problems

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


def test_it_is_what_compose_understands() -> None:
    assert problems("compose-spec", COMPOSE) == []


def test_by_default_engine_gateway_and_sandbox_run_and_each_other_service_has_a_profile() -> None:
    profiles = {name: tuple(service.get("profiles", ())) for name, service in SERVICES.items()}
    assert {name for name, of in profiles.items() if not of} == set(OURS)
    assert {each for of in profiles.values() for each in of} == {"postgres", "monitoring", "mail"}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - set(OURS)))
def test_others_images_are_named_by_exact_version(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"migrate"}))
def test_a_service_says_whether_it_is_well(name: str) -> None:
    kind, *command = SERVICES[name].get("healthcheck", {}).get("test", [""])
    if name == "grafana":  # it brings no program that could ask, and nobody waits for it
        assert not command
        return
    assert (kind, bool(command)) == ("CMD", True)
    ports = {port.rpartition(":")[2] for port in SERVICES[name].get("ports", ())}
    if name == "engine":
        ports = {SERVICES[name]["environment"]["MAILING_METRICS_LISTEN"].rpartition(":")[2]}
        assert command == health_command(steps_of(DOCKERFILE))
    if command[0] == "python":
        assert re.findall(r"127\.0\.0\.1:(\d+)/", command[-1]) == list(ports)


def test_several_engines_find_ports_of_their_own() -> None:
    """`--scale engine=3`: of a range each takes one."""
    for port in SERVICES["engine"]["ports"]:
        first, last = map(int, port.split(":")[1].split("-"))
        assert last - first >= 2
    assert SERVICES["gateway"]["environment"]["MAILING_ENGINE_TARGET"].startswith("dns:///")


def test_files_that_are_given_to_services_are_there_and_find_each_other() -> None:
    """A service on a read-only root takes files only: no text, and nothing from the environment."""
    assert all(each.keys() == {"file"} for each in (*COMPOSE["configs"].values(), *COMPOSE["secrets"].values()))
    targets = {}
    for service in SERVICES.values():
        for config in service.get("configs", ()):
            source = ROOT / COMPOSE["configs"][config["source"]]["file"]
            assert source.is_file()
            targets[config["target"]] = import_module("yaml").safe_load(source.read_text("utf-8"))
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    prometheus = targets["/etc/prometheus/prometheus.yml"]
    assert {f"/etc/prometheus/{name}" for name in prometheus["rule_files"]} <= targets.keys()
    names = {name for job in prometheus["scrape_configs"] for name in job["dns_sd_configs"][0]["names"]}
    assert names <= {name for name in SERVICES if "api" in SERVICES[name]["networks"]}
    tokens = {
        job["authorization"]["credentials_file"] for job in prometheus["scrape_configs"] if "authorization" in job
    }
    assert tokens == {f"/run/secrets/{name}" for name in COMPOSE["secrets"]}
    (provider,) = targets["/etc/grafana/provisioning/dashboards/mailing.yml"]["providers"]
    assert f"{provider['options']['path']}/mailing.json" in targets


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    if hadolint is None:
        pytest.skip("there is no hadolint for this machine")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_who_reaches_whom() -> None:
    """The gateway neither the database nor the provider; the database nobody but the engine, and no other machine."""
    members = {name: {each for each in SERVICES if name in SERVICES[each]["networks"]} for name in COMPOSE["networks"]}
    assert members == {
        "api": {"engine", "gateway", "prometheus"},
        "provider": {"engine", "sandbox"},
        "database": {"engine", "migrate", "postgres"},
        "monitoring": {"grafana", "prometheus"},
        "mail": {"engine", "mail"},
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


def test_the_dockerfile_is_understood_by_what_does_its_steps_without_docker() -> None:
    """A step that scripts/try_image.py passes over unknowingly would be tried by nobody."""
    names = {step.name for step in steps_of(DOCKERFILE)}
    done = {name for name in names if hasattr(Image, f"_{name.lower()}")}
    assert names - done == {"FROM", "LABEL", "VOLUME", "EXPOSE", "HEALTHCHECK"}


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
