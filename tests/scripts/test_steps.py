"""scripts/steps.sh: which failures get a second hearing, and that none of them goes unsaid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TESTS: Final = """
import pathlib
import pytest

@pytest.mark.parametrize("name", {names!r})
def test_once(name):
    been = pathlib.Path(__file__).with_name(name)
    was_run = been.exists()
    been.touch()
    assert was_run or name == "sound"

def test_always():
    assert {sound!r}
"""


def run(folder: Path, names: list[str], *, sound: bool = True) -> tuple[str, str, str]:
    """``heard`` over such tests: what it printed, and what it wrote of the unsteady and of the failed."""
    (folder / "test_made_up.py").write_text(TESTS.format(names=names, sound=sound))
    (folder / "pytest.ini").touch()
    script = f'set -euo pipefail\nsay() {{ echo "$*"; }}\n. {ROOT}/scripts/steps.sh\nstep tests heard many .'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        # Without the plugins that are installed: what is tested needs none, and to load them is most of such a run.
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "logs": str(folder),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    unsteady, failed = folder / "unsteady", folder / "failed"
    return (
        done.stdout,
        unsteady.read_text() if unsteady.exists() else "",
        failed.read_text() if failed.exists() else "",
    )


@pytest.mark.parametrize(
    ("names", "sound", "unsteady", "failed"),
    [
        pytest.param([], True, [], False, id="all well"),
        pytest.param(["one", "two", "three"], True, ["one", "two", "three"], False, id="three pass when alone"),
        pytest.param(["one", "two", "three", "four"], True, [], True, id="four are no accident"),
        pytest.param(["one"], False, [], True, id="one fails again"),
    ],
)
def test_second_hearing(tmp_path: Path, names: list[str], sound: bool, unsteady: list[str], failed: bool) -> None:
    said, named, broken = run(tmp_path, [*names, "sound"], sound=sound)
    assert named.splitlines() == [f"test_made_up.py::test_once[{name}]" for name in unsteady]
    assert broken == ("tests\n" if failed else "")
    assert f"tests: {'FAILED' if failed else 'ok'}, " in said
    for name in names:
        assert f"FAILED test_made_up.py::test_once[{name}]" in said


def test_what_cannot_be_collected_is_not_heard(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("import nothing_of_this_name\n")
    said, named, broken = run(tmp_path, ["sound"])
    assert (named, broken) == ("", "tests\n")
    assert "once more" not in said


def test_a_run_that_was_broken_off_is_not_heard(tmp_path: Path) -> None:
    """What failed before would pass, and nobody would know what was never run."""
    (tmp_path / "test_very_last.py").write_text('import pytest\n\ndef test_exits():\n    pytest.exit("enough")\n')
    said, named, broken = run(tmp_path, ["one"])
    assert "1 failed" in said
    assert (named, broken) == ("", "tests\n")
    assert "once more" not in said
