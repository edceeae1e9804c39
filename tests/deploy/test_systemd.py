"""deploy/systemd: that its units are well formed, and start what there is. systemd itself runs none of them here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Any, Final

import pytest

from common.settings import Program
from engine.settings import ENGINE
from gateway.settings import GATEWAY

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
PROGRAMS: Final[dict[str, tuple[str, Program[Any]]]] = {
    "mailing-engine@.service": ("engine", ENGINE),
    "mailing-gateway.service": ("gateway", GATEWAY),
}
_ENVIRON: Final = {"FBRQ_TOKEN": "a-token"}
_LEAVING_SECONDS: Final = 1
"""A program has left so long after its limit."""


def service(name: str) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / name, encoding="utf-8")
    return dict(parser["Service"])


def test_each_unit_is_known() -> None:
    assert {path.name for path in FOLDER.iterdir()} == PROGRAMS.keys()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_unit_starts_its_program_and_gives_it_time_to_stop(name: str) -> None:
    unit, (module, program) = service(name), PROGRAMS[name]
    _, option, started, *flags = shlex.split(unit["ExecStart"].replace("%i", "1"))
    assert (option, started) == ("-m", module)
    settings = program.parse(flags, _ENVIRON, None).settings
    assert int(unit["TimeoutStopSec"]) > settings.shutdown_seconds + _LEAVING_SECONDS


def test_the_gateway_looks_for_the_first_engine() -> None:
    *_, listen, _, _ = shlex.split(service("mailing-engine@.service")["ExecStart"].replace("%i", "1"))
    assert GATEWAY.parse([], {}, None).settings.engine_target == listen


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("name", PROGRAMS)
def test_systemd_knows_every_line(name: str) -> None:
    path = str(FOLDER / name)
    verify = ["systemd-analyze", "verify", path]
    said = subprocess.run(verify, check=False, capture_output=True, text=True, timeout=60)
    others = [line for line in said.stderr.splitlines() if "/opt/mailing/bin/python is not executable" not in line]
    assert others == []
