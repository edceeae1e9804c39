"""Requests made from the service's own OpenAPI document, good ones and bad ones, alone and in sequences.

Schemathesis makes them and applies all of its checks: no 5xx, only the statuses, headers and schemas that the document
promises, bad input refused, good input taken, no answer without a token, nothing left of what was deleted. Engine and
gateway are real processes; their logs must not hold an error either. The provider is not there: nothing is sent.

Long: ``scripts/fuzz``. Exit codes: 0 nothing was found, 1 something was (printed with a curl for it), 2 a bad flag.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.bench.service_process import ROOT, Running, errors_in, service

DOCUMENT: Final = "/api/v1/docs/swagger.json"
PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
# Server-sent events go on as long as the mailing does: tests/gateway has them.
UNENDING: Final = "/events$"
_REQUEST_SECONDS: Final = 20
_CALLS_OF_AN_EXAMPLE: Final = 2  # about: each is made in the fuzzing phase and in sequences


@dataclass(slots=True)
class Findings:
    """What a campaign has seen."""

    calls: int = 0
    operations: int = 0
    """Of the document, without the unending ones."""
    untested: int = 0
    problems: list[str] = field(default_factory=list)
    """One line each; empty: nothing was found."""


def campaign(calls: int, seed: int, *, phases: Sequence[str] = PHASES, quiet: bool = False) -> Findings:
    """Run until so many calls have been made, each pass with the next seed."""
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, service() as running:
        while findings.calls < calls and not findings.problems:
            left = calls - findings.calls
            operations = findings.operations or 40
            examples = max(1, left // (operations * _CALLS_OF_AN_EXAMPLE))
            report = _run(running, Path(folder), examples, seed, phases, quiet)
            _add(findings, report, seed)
            seed += 1
            if not report["test_cases"]["generated"]:
                break
        for log in (running.engine_log, running.gateway_log):
            findings.problems += [f"{log.name}: {line}" for line in errors_in(log)]
    return findings


def _run(
    running: Running, folder: Path, examples: int, seed: int, phases: Sequence[str], quiet: bool
) -> dict[str, Any]:
    """One pass; returns schemathesis's own report."""
    report, config = folder / f"{seed}.json", folder / "schemathesis.toml"
    # Not as a header of each call: a check leaves the token out and expects 401.
    config.write_text(f'[auth.openapi.bearer]\nbearer = "{running.token}"\n', encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
        f"http://{running.address}{DOCUMENT}",
        *("--checks", "all", "--phases", ",".join(phases)),
        *("--seed", str(seed), "--max-examples", str(examples), "--exclude-path-regex", UNENDING),
        *("--request-timeout", str(_REQUEST_SECONDS), "--generation-database", "none", "--continue-on-failure"),
        *("--report", "json", "--report-json-path", str(report), "--no-color", "--warnings", "off"),
    ]
    path = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
    extra = {"PYTHONPATH": path, "SCHEMATHESIS_HOOKS": "tests.contract.fuzz_hooks", "NO_PROXY": "*"}
    environ = {**os.environ, **extra}
    out = subprocess.run(
        command, check=False, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if not quiet or out.returncode:
        print(out.stdout, flush=True)
    if not report.exists():
        raise RuntimeError(f"schemathesis ended with exit code {out.returncode}:\n{out.stdout[-2000:]}")
    read: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return read


def _add(findings: Findings, report: dict[str, Any], seed: int) -> None:
    findings.calls += report["test_cases"]["generated"]
    operations = report["operations"] or {"selected": 0, "tested": 0}
    findings.operations = operations["selected"]
    findings.untested = operations["selected"] - operations["tested"]
    for failure in report["failures"]:
        where = ", ".join(map(str, failure["operations"]))
        findings.problems.append(f"{failure['title']} ({failure['count']} times): {where}; --seed {seed}")
    findings.problems += [f"{error['title']} ({error['count']} times)" for error in report["errors"]]
    if report["exit_code"] and not findings.problems:
        findings.problems.append(f"schemathesis ended with exit code {report['exit_code']}")


def main(arguments: Sequence[str]) -> int:
    """Run and report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--calls", type=_count, default=20_000, help="requests to make at least; one phase alone makes 2,000 (20000)"
    )
    parser.add_argument("--seed", type=_count, default=1, help="the same seed makes the same requests (1)")
    flags = parser.parse_args(arguments)
    print(f"at least {flags.calls:,} calls, seed {flags.seed}", flush=True)
    findings = campaign(flags.calls, flags.seed)
    print(f"{findings.calls:,} calls of {findings.operations} operations, {findings.untested} of them not tested")
    print("\n".join(findings.problems) or "Nothing was found.")
    return int(bool(findings.problems))


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("should be a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
