"""Continuous integration elsewhere does what .ci/run does, on each Python that we say we run on.

Neither GitHub nor GitLab has run it where it is developed: their schemas say that they would understand it.
"""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.schemas import problems

ROOT: Final = Path(__file__).resolve().parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = import_module("yaml").safe_load(path.read_text(encoding="utf-8"))
    return document


GITHUB: Final = {path.stem: load(path) for path in WORKFLOWS}
GITLAB: Final = load(ROOT / ".gitlab-ci.yml")
CLASSIFIERS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]


def job(workflow: str) -> dict[str, Any]:
    (found,) = GITHUB[workflow]["jobs"].values()
    return dict(found)


def matrix(name: str) -> list[Any]:
    """Of a job of GitLab's."""
    (variables,) = GITLAB[name]["parallel"]["matrix"]
    (values,) = variables.values()
    return list(values)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_github_understands_it(path: Path) -> None:
    # YAML 1.1 takes the key `on` for true; GitHub does not.
    assert (
        problems("github-workflows", {"on" if key is True else key: value for key, value in load(path).items()}) == []
    )


def test_gitlab_understands_it() -> None:
    assert problems("gitlab-ci", GITLAB) == []


def test_all_of_it_runs_on_each_python_that_the_package_names() -> None:
    named = [name for each in CLASSIFIERS for name in re.findall(r"Python :: (3\.\d+)$", each)]
    assert job("check")["strategy"]["matrix"]["python"] == named == matrix("check")
    commands = [step.get("run", "") for step in job("check")["steps"]]
    assert "bash .ci/run" in commands
    assert "bash .ci/run" in GITLAB["check"]["script"]


def test_both_know_the_same_campaigns_and_these_are_the_documented_ones() -> None:
    documented = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    campaigns = job("campaigns")["strategy"]["matrix"]["command"]
    assert campaigns == matrix("campaigns")
    for command in campaigns:
        assert (ROOT / command.split()[0]).is_file()
        assert f"\n{command}\n" in documented
    assert "schedule" in GITHUB["campaigns"][True]


def test_every_lock_that_people_install_is_looked_at_for_known_vulnerabilities() -> None:
    locks = job("vulnerabilities")["strategy"]["matrix"]["lock"]
    assert locks == matrix("vulnerabilities")
    compared = {"bench.txt", "examples.txt", "peers.txt", "peers-arq.txt"}
    assert {*locks, *compared} == {path.name for path in (ROOT / "requirements").glob("*.txt")}
    assert "schedule" in GITHUB["vulnerabilities"][True]


@pytest.mark.parametrize("name", GITHUB)
def test_a_workflow_may_only_read_ends_and_runs_nobody_s_newest_code(name: str) -> None:
    assert GITHUB[name]["permissions"] == {"contents": "read"}
    assert job(name)["timeout-minutes"] > 0
    for step in job(name)["steps"]:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"x@{'0' * 40}"))
        # What a matrix holds goes through the environment: in the text of a script it would be code.
        assert "${{" not in step.get("run", "")
