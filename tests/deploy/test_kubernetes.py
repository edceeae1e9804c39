"""deploy/kubernetes: what Kubernetes' schemas and our settings say of it, and that its parts find each other.

No cluster has run it where it is developed. Where kubectl is installed, what kustomize makes of it is checked; else the
base as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from common.setting_types import Listen
from common.settings import Program
from engine.metrics import Metrics
from engine.metrics_server import start_metrics_server
from engine.settings import ENGINE
from gateway.routes import health
from gateway.settings import GATEWAY
from tests.deploy.schemas import kubernetes_problems
from tests.deploy.test_monitoring import read as read_monitoring

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "deploy" / "kubernetes"
OVERLAYS: Final = ("base", "overlays/single-node")
PROGRAMS: Final[dict[str, Program[Any]]] = {"mailing-engine": ENGINE, "mailing-gateway": GATEWAY}
Manifest = dict[str, Any]
SECRETS: Final = {
    "mailing-engine": {
        "MAILING_DATABASE_URL": "postgres://mailing:secret@postgres/mailing?sslmode=verify-full",
        "FBRQ_TOKEN": "a-token-of-the-provider",
        "MAILING_ADMIN_PASSWORD": "a-password-of-16",
        "MAILING_API_TOKEN": "a-token-of-16-letters",
    },
    "mailing-gateway": {"MAILING_ADMIN_SECRET": "sixteen-letters-and-more"},
}
"""What docs/kubernetes.md has people put into the Secrets."""


def documents(text: str) -> list[Manifest]:
    return [each for each in import_module("yaml").safe_load_all(text) if each is not None]


@cache
def manifests(overlay: str) -> list[Manifest]:
    """What is applied."""
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        done = subprocess.run([kubectl, "kustomize", FOLDER / overlay], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return documents(done.stdout)
    if overlay != "base":
        pytest.skip("kubectl, which makes this of the base, is not installed")
    resources = documents((FOLDER / "base" / "kustomization.yaml").read_text("utf-8"))[0]["resources"]
    return [each for name in resources for each in documents((FOLDER / "base" / name).read_text("utf-8"))]


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests(overlay) if each["kind"] in kinds}


def workloads(overlay: str) -> dict[str, Manifest]:
    """The pods' templates by the name of what makes them."""
    return {name: each["spec"]["template"] for name, each in of_kind(overlay, "Deployment", "Job").items()}


def containers(overlay: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, template in workloads(overlay).items():
        for container in template["spec"]["containers"]:
            yield name, template["spec"], container


def settings_of(overlay: str, container: Manifest) -> dict[str, str]:
    """The environment of a container, with the Secrets as they are documented."""
    found: dict[str, str] = {}
    maps = of_kind(overlay, "ConfigMap")
    for source in container["envFrom"]:
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]["data"]
        else:
            found |= SECRETS[source["secretRef"]["name"]]
    return found


pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


def test_kubernetes_knows_every_field(overlay: str) -> None:
    for each in manifests(overlay):
        assert kubernetes_problems(each) == [], each["metadata"]["name"]


def test_a_pod_may_do_no_more_than_it_must(overlay: str) -> None:
    for name, pod, container in containers(overlay):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == "10001:10001"
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all({"emptyDir", "persistentVolumeClaim"} & volume.keys() for volume in pod["volumes"])
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
    (namespace,) = of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_secret_is_written_down(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}
    for name, each in of_kind(overlay, "ConfigMap").items():
        for variable, value in each["data"].items():
            if _field(PROGRAMS[name], variable) in PROGRAMS[name].model.secret_fields:
                assert "://" in value  # an address, which may hold a secret,
                assert "@" not in value  # and does not


def test_settings_are_known_and_fit_together(overlay: str) -> None:
    for name, _pod, container in containers(overlay):
        program = GATEWAY if container.get("command", [])[-1:] == ["gateway"] else ENGINE
        environ = settings_of(overlay, container)
        assert [each for each in environ if _field(program, each) is None] == [], name
        settings = program.parse(container.get("args", []), environ, None).settings
        assert settings.log_format == "json"
        assert {each["name"] for each in container.get("env", ())} <= {"SQLITE_TMPDIR"}


def test_ports_are_those_on_which_the_processes_listen(overlay: str) -> None:
    listening = {"grpc": "MAILING_GRPC_LISTEN", "metrics": "MAILING_METRICS_LISTEN", "http": "MAILING_HTTP_LISTEN"}
    for _name, _pod, container in containers(overlay):
        environ = settings_of(overlay, container)
        for port in container.get("ports", ()):
            assert environ[listening[port["name"]]] == f"0.0.0.0:{port['containerPort']}"


async def test_probes_ask_for_what_there_is(overlay: str) -> None:
    server = await start_metrics_server(Metrics(), Listen("127.0.0.1", 0), dict)
    routes = {each.resource.canonical for each in server._runner.app.router.routes() if each.resource is not None}
    await server.close()
    known = {"metrics": routes, "http": {route.path for route in health.routes()}}
    for name, _pod, container in containers(overlay):
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        probes = [
            container[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe") if probe in container
        ]
        assert len(probes) == (0 if name == "mailing-migrate" else 3)
        for probe in probes:
            if "grpc" in probe:
                assert probe["grpc"]["port"] == ports["grpc"]
            else:
                assert probe["httpGet"]["port"] in ports
                assert probe["httpGet"]["path"] in known[probe["httpGet"]["port"]]


def test_a_pod_is_killed_later_than_it_leaves_by_itself(overlay: str) -> None:
    for name, template in workloads(overlay).items():
        if name != "mailing-migrate":
            environ = settings_of(overlay, template["spec"]["containers"][0])
            assert template["spec"]["terminationGracePeriodSeconds"] > float(environ["MAILING_SHUTDOWN_SECONDS"]) + 1


def test_selectors_find_somebody(overlay: str) -> None:
    labels = [template["metadata"]["labels"] for template in workloads(overlay).values()]

    def finds(selector: Mapping[str, str]) -> bool:
        return any(selector.items() <= each.items() for each in labels)

    for each in of_kind(overlay, "Deployment", "PodDisruptionBudget").values():
        assert finds(each["spec"]["selector"]["matchLabels"])
    for each in of_kind(overlay, "Service").values():
        assert finds(each["spec"]["selector"])
    policies = of_kind(overlay, "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for each in policies.values():
        for selector in _pod_selectors(each["spec"]):
            assert not selector or finds(selector["matchLabels"]), each["metadata"]["name"]
    for each in of_kind(overlay, "HorizontalPodAutoscaler").values():
        target = of_kind(overlay, each["spec"]["scaleTargetRef"]["kind"])[each["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]  # or each `apply` would undo what it did


def test_names_of_others_lead_somewhere(overlay: str) -> None:
    maps, claims, services = (of_kind(overlay, kind) for kind in ("ConfigMap", "PersistentVolumeClaim", "Service"))
    host, port = re.findall(r"dns:///([\w-]+):(\d+)", maps["mailing-gateway"]["data"]["MAILING_ENGINE_TARGET"])[0]
    assert int(port) in {each["port"] for each in services[host]["spec"]["ports"]}
    for _name, pod, container in containers(overlay):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        used = {each["persistentVolumeClaim"]["claimName"] for each in volumes.values() if "emptyDir" not in each}
        assert used <= claims.keys()
        assert pod["serviceAccountName"] in of_kind(overlay, "ServiceAccount")


def test_one_engine_owns_an_sqlite_file(overlay: str) -> None:
    engine = of_kind(overlay, "Deployment")["mailing-engine"]["spec"]
    is_sqlite = "MAILING_DATABASE_URL" in of_kind(overlay, "ConfigMap")["mailing-engine"]["data"]
    assert is_sqlite == (overlay == "overlays/single-node")
    if is_sqlite:
        assert (engine["replicas"], engine["strategy"]) == (1, {"type": "Recreate"})
        assert of_kind(overlay, "Job", "PodDisruptionBudget") == {}
    else:
        assert engine["replicas"] > 1
        assert of_kind(overlay, "PodDisruptionBudget").keys() == PROGRAMS.keys()


def test_the_page_says_what_the_secrets_hold(overlay: str) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for name, values in SECRETS.items():
        (said,) = re.findall(rf"create secret generic {name} ((?:.*\\\n)*.*)", page)
        assert set(re.findall(r"--from-literal=(\w+)=", said)) == values.keys()
    referred = {
        source["secretRef"]["name"]
        for _name, _pod, container in containers(overlay)
        for source in container["envFrom"]
        if "secretRef" in source
    }
    assert referred == SECRETS.keys()
    assert read_monitoring("prometheus.yml")["scrape_configs"][0]["job_name"] in page


def _field(program: Program[Any], variable: str) -> str | None:
    return next((field for field in program.model.model_fields if program.variable(field) == variable), None)


def _pod_selectors(policy: Manifest) -> Iterator[Manifest]:
    yield policy["podSelector"]
    for rule in (*policy.get("ingress", ()), *policy.get("egress", ())):
        for peer in (*rule.get("from", ()), *rule.get("to", ())):
            if "podSelector" in peer:
                yield peer["podSelector"]
