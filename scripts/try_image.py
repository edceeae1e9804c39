#!/usr/bin/env python
"""Do what the Dockerfile says without Docker, and run what comes of it: for machines where no Docker engine runs.

    python scripts/try_image.py                     with this Python
    python scripts/try_image.py --python /…/python3.13

Each step of the Dockerfile is done in a folder of its own: /venv, /src and /app are folders in it. Then the engine runs
as the image's ENTRYPOINT, from the image's folder, with the image's environment and nothing else of ours, and as the
image's user when root runs this: so nothing but `data` can be written. HEALTHCHECK's command must succeed, and SIGTERM
must end the engine with exit code 0. What Docker itself does (layers, namespaces, a read-only root) is not tried.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 300.0
"""Long: on a busy machine each look starts a Python too. It costs nothing where all is well."""
STOP_SECONDS: Final = 15.0
_OURS: Final = re.compile(r"(?<![\w./-])/(venv|src|app)\b")
"""The folders of the image that are made elsewhere here."""


class Step(NamedTuple):
    """One instruction of a Dockerfile."""

    name: str
    rest: str


def steps_of(dockerfile: str) -> list[Step]:
    """Read a Dockerfile: comments are left out, continued lines are one."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [Step(*line.split(maxsplit=1)) for line in whole.splitlines() if line.strip()]


def health_command(steps: Sequence[Step]) -> list[str]:
    """What HEALTHCHECK calls."""
    (check,) = [step.rest for step in steps if step.name == "HEALTHCHECK"]
    return list(json.loads(check.partition(" CMD ")[2]))


class Image:
    """A folder in the place of an image's root."""

    def __init__(self, root: Path, python: Path) -> None:
        self.root, self._python = root, python
        self.folder = root
        self.user: int | None = None
        self.entrypoint: list[str] = []
        self.environment: dict[str, str] = {}
        self._path = f"{_programs(root, python)}:/usr/local/bin:/usr/bin:/bin"

    def do(self, step: Step) -> None:
        """One step; what says nothing of files and processes is passed over."""
        handle = getattr(self, f"_{step.name.lower()}", None)
        if handle is not None:
            print(f"{step.name} {step.rest}", flush=True)
            handle(step.rest)

    def here(self, text: str) -> str:
        """A path of the image, or a text with such paths, as it is here."""
        return _OURS.sub(lambda found: f"{self.root}/{found.group(1)}", text)

    def _workdir(self, rest: str) -> None:
        self.folder = Path(self.here(rest))
        self.folder.mkdir(exist_ok=True)

    def _copy(self, rest: str) -> None:
        if rest.startswith("--from="):
            return  # both stages are one folder here
        *sources, target = rest.split()
        for source in sources:
            found = ROOT / source
            if found.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, self.folder / target, ignore=ignored)
            else:
                place = self.folder / target / found.name if target.endswith("/") else self.folder / target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)

    def _run(self, rest: str) -> None:
        if rest.startswith("groupadd"):
            return  # the account is known by its number
        # What pip was told of its index stays, or nothing could be fetched.
        told = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}
        subprocess.run(["sh", "-ec", self.here(rest)], cwd=self.folder, env={**told, "PATH": self._path}, check=True)

    def _env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.environment[name] = self.here(value).replace("$PATH", self._path)

    def _user(self, rest: str) -> None:
        self.user = int(rest.partition(":")[0])

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = list(json.loads(rest))

    def start(self, command: Sequence[str], **settings: str) -> subprocess.Popen[bytes]:
        """A process in the image."""
        who = self._who
        return subprocess.Popen(
            [self._found(command[0]), *command[1:]],
            cwd=self.folder,
            env={**self.environment, **settings},
            user=who,
            group=who,
            extra_groups=None if who is None else [],
        )

    @cached_property
    def _who(self) -> int | None:
        """The image's user; ``None``: this one, where there is no choice."""
        if os.geteuid() != 0:
            return None
        python = self._found("python")
        try:
            subprocess.run([python, "-c", ""], user=self.user, group=self.user, extra_groups=[], check=True)
        except PermissionError:
            print(f"As root, for other users may not run {Path(python).resolve()}")
            return None
        return self.user

    def _found(self, program: str) -> str:
        found = shutil.which(program, path=self.environment["PATH"])
        if found is None:
            raise FileNotFoundError(f"{program} is not in the image")
        return found

    def size_bytes(self) -> int:
        """What the image adds to its base."""
        files = [path for name in ("venv", "app") for path in (self.root / name).rglob("*")]
        return sum(path.lstat().st_size for path in files if path.is_symlink() or path.is_file())


def _programs(root: Path, python: Path) -> Path:
    """The base image's `python` and `pip`, whatever they are called here."""
    folder = root / "base"
    folder.mkdir()
    for name, arguments in (("python", ""), ("pip", "-m pip")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} {arguments} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder


@contextmanager
def made(python: Path) -> Iterator[tuple[Image, list[Step]]]:
    """The image, made in a folder that goes at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mailing-image-"))
    folder.chmod(0o755)
    steps = steps_of((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    try:
        image = Image(folder, python)
        for step in steps:
            image.do(step)
        yield image, steps
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_healthy(image: Image, command: Sequence[str], process: subprocess.Popen[bytes]) -> bool:
    """Ask as Docker does, until it is well or has had its time."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if image.start([*command[:-1], f"import sys; sys.stderr = None; {command[-1]}"]).wait() == 0:
            return True
        time.sleep(0.5)
    return False


def run(image: Image, steps: Sequence[Step]) -> bool:
    """Start the engine, ask for its health, use the command line client, stop it."""
    metrics, grpc = free_port(), free_port()
    check = [part.replace(":9101/", f":{metrics}/") for part in health_command(steps)]
    engine = image.start(
        image.entrypoint,
        MAILING_METRICS_LISTEN=f"127.0.0.1:{metrics}",
        MAILING_GRPC_LISTEN=f"127.0.0.1:{grpc}",
        MAILING_PROVIDER_URL="http://127.0.0.1:9/v1",
        MAILING_SIGN_IN_FILE="data/first-sign-in.env",
        MAILING_LOG_LEVEL="warning",
    )
    try:
        well = is_healthy(image, check, engine)
        print(f"HEALTHCHECK: {'healthy' if well else 'unhealthy'}")
        client = image.start(["mailing", "--target", f"127.0.0.1:{grpc}", "engine", "status"]).wait()
    finally:
        engine.send_signal(signal.SIGTERM)
        code = engine.wait(STOP_SECONDS)
    print(f"mailing engine status: exit code {client}; SIGTERM: exit code {code}")
    return well and (client, code) == (0, 0)


def main() -> int:
    """Returns 0 when all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="stands for the base image's (this)")
    with made(parser.parse_args().python.absolute()) as (image, steps):
        print(f"/venv and /app: {image.size_bytes() / 1e6:.0f} MB")
        return 0 if run(image, steps) else 1


if __name__ == "__main__":
    sys.exit(main())
