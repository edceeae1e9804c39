"""deploy/monitoring: rules and dashboard ask for metrics that there are, and each alert says what to do.

What promtool has to say is asked where it is installed (Debian, Ubuntu: apt install prometheus).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine.domain.webhook import DeliveryState
from engine.metrics import Metrics as EngineMetrics
from gateway.metrics import Metrics as GatewayMetrics
from tests.style.test_links import anchors_of

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "deploy" / "monitoring"
DASHBOARD: Final[dict[str, Any]] = json.loads((FOLDER / "grafana" / "mailing.json").read_text("utf-8"))
PROMETHEUS_S: Final = {"up", "ALERTS"}
TARGET_LABELS: Final = {"job", "instance", "alertname", "alertstate"}
_NAME: Final = re.compile(r"\b(?:mailing_\w+|up|ALERTS)\b")
_MATCHERS: Final = re.compile(r"(\w+)\{([^}]*)\}")
_MATCHER: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")


def read(name: str) -> Any:
    return import_module("yaml").safe_load((FOLDER / name).read_text(encoding="utf-8"))


RULES: Final[list[dict[str, Any]]] = [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


def pages() -> list[str]:
    """What both processes show, with each metric that they can have."""
    engine, gateway = EngineMetrics(), GatewayMetrics()
    engine.database_folder = ROOT
    engine.provider("fbrq").responses(200).inc()
    engine.rpc_seconds("/mailing.v1.ClientService/GetClient", "OK").observe(0.1)
    engine.webhook_called(1, DeliveryState.DELIVERED)
    gateway.http_seconds("GET", "/api/v1/clients", 200).observe(0.1)
    gateway.rpcs.of("/mailing.v1.ClientService/GetClient", "OK").observe(0.1)
    return [generate_latest(each.registry).decode() for each in (engine, gateway)]


@cache
def labels_of() -> dict[str, set[str]]:
    """Each series that there is, with the labels that it can have."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for page in pages():
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found[sample.name] |= {*sample.labels, *TARGET_LABELS}
    return {**found, **dict.fromkeys(PROMETHEUS_S, TARGET_LABELS)}


def queries() -> Iterator[tuple[str, str]]:
    """Everything that is asked for, with where."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for note in DASHBOARD["annotations"]["list"]:
        yield note["name"], note["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


QUERIES: Final = dict(queries())


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_asks_for_series_and_labels_that_there_are(query: str) -> None:
    names = _NAME.findall(query)
    assert names
    assert [name for name in names if name not in labels_of()] == []
    for name, matchers in _MATCHERS.findall(query):
        assert set(_MATCHER.findall(matchers)) <= labels_of()[name]
    every = set().union(*(labels_of()[name] for name in names))
    for grouped in re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", query):
        assert set(re.findall(r"\w+", grouped)) <= every


def test_nothing_that_is_counted_is_left_unwatched() -> None:
    asked = {name for query in QUERIES.values() for name in _NAME.findall(query)}
    families = {family.name for page in pages() for family in text_string_to_metric_families(page)}
    assert {family for family in families if not any(name.startswith(family) for name in asked)} == set()


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    squares = [
        (column, line)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]
    assert len(squares) == len(set(squares))  # no panel lies on another
    assert max(column for column, _ in squares) < 24
    assert all(panel["type"] == "row" or panel["description"] for panel in DASHBOARD["panels"])


def test_each_alert_says_how_bad_it_is_and_leads_to_its_part_of_the_runbook() -> None:
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor == f"alert-{rule['alert'].lower()}"
        assert anchor in anchors_of(ROOT / page), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]


def test_the_runbook_has_no_part_for_an_alert_that_is_gone() -> None:
    named = {anchor for anchor in anchors_of(ROOT / "docs" / "operating.md") if anchor.startswith("alert-")}
    assert named == {f"alert-{rule['alert'].lower()}" for rule in RULES}


def test_for_each_alert_there_is_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases: defaultdict[str, set[bool]] = defaultdict(set)
    for group in read("alerts_test.yml")["tests"]:
        for case in group["alert_rule_test"]:
            cases[case["alertname"]].add(bool(case["exp_alerts"]))
    assert cases == {rule["alert"]: {True, False} for rule in RULES}


def test_the_jobs_are_those_that_rules_and_dashboard_ask_for() -> None:
    jobs = {job["job_name"] for job in read("prometheus.yml")["scrape_configs"]}
    asked = {job for query in QUERIES.values() for job in re.findall(r'job="([^"]+)"', query)}
    assert asked == jobs == {"mailing", "mailing-gateway"}


# -- promtool ----------------------------------------------------------------------------------------


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed")
    return found


def test_promtool_finds_nothing_in_the_metrics(promtool: str) -> None:
    for page in pages():
        done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts(promtool: str, command: list[str]) -> None:
    done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_s_queries_are_promql(promtool: str, tmp_path: Path) -> None:
    """As rules, for promtool reads these: what Grafana puts in is put in by hand."""
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m").replace("$instance", ".*")}
        for number, query in enumerate(QUERIES.values())
        if "label_values" not in query
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
