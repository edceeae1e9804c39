"""A wheel of the project, unpacked far from the checkout: it has all files, and what is in it runs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
from aiohttp import ClientSession

from scripts.sandbox import Sandbox
from scripts.token_channel import API_TOKEN
from tests.patience import PATIENT_SECONDS
from tests.rules.rig import until
from tests.style.tree import PACKAGES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES: Final = (*PACKAGES, "proto", "pyproject.toml", "README.md", "LICENSE")
"""What the Dockerfile takes, too."""
IGNORED: Final = ("__pycache__", "*.pyc", ".mypy_cache")
BUILD: Final = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")


def environment(site: Path, **settings: str) -> dict[str, str]:
    """This process's, with no setting but these, and with the wheel's packages before those of the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILING_", "FBRQ_", "PIP_"))}
    return {**kept, "PYTHONPATH": str(site), **settings}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel has; it is built from a copy, so that the checkout gets no folders of a build."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = ROOT / name, folder / "source" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*IGNORED))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    asyncio.run(_done(folder, sys.executable, "-m", "pip", *BUILD, "--wheel-dir", ".", "./source"))
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


async def _done(folder: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """Run a command in a folder, which must go well; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def test_it_has_each_file_of_the_packages_and_the_one_version(site: Path) -> None:
    wanted = {
        str(path.relative_to(base))
        for base, folders in ((ROOT, PACKAGES), (ROOT / "proto", ("mailing",)))
        for folder in folders
        for path in (base / folder).rglob("*")
        if path.is_file() and not any(path.match(f"**/{pattern}") for pattern in IGNORED)
        if not {"__pycache__", ".mypy_cache"} & set(path.parts)
    }
    found = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert wanted - found == set()
    assert {name.partition("/")[0] for name in found} == {
        *PACKAGES,
        "mailing",
        f"mailing_service-{PROJECT['version']}.dist-info",
    }
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0].split()[1] == PROJECT["version"]


@asynccontextmanager
async def running(site: Path, folder: Path, program: str, **settings: str) -> AsyncIterator[dict[str, Any]]:
    """A process of the wheel, in a folder of its own; yields what it says when it has started."""
    log = folder / f"{program}.log"
    env = environment(site, MAILING_LOG_FORMAT="json", MAILING_API_TOKEN=API_TOKEN, **settings)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", program), cwd=folder, env=env, stdout=output, stderr=output
        )
    try:
        await until(lambda: process.returncode is not None or _started(log, program), PATIENT_SECONDS)
        assert process.returncode is None, log.read_text()
        yield _started(log, program)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _started(log: Path, program: str) -> dict[str, Any]:
    for line in log.read_bytes().splitlines():
        if f'"{program}.started"'.encode() in line:
            found: dict[str, Any] = json.loads(line)
            return found
    return {}


async def test_it_sends_a_message_and_has_its_pages(site: Path, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(await Sandbox.start())
        provider = {"MAILING_PROVIDER_URL": sandbox.url, "FBRQ_TOKEN": sandbox.token}
        listens = {"MAILING_GRPC_LISTEN": "127.0.0.1:0", "MAILING_METRICS_LISTEN": "127.0.0.1:0"}
        engine = await stack.enter_async_context(running(site, tmp_path, "engine", **provider, **listens))
        front = {"MAILING_HTTP_LISTEN": "127.0.0.1:0", "MAILING_ENGINE_TARGET": engine["grpc"]}
        gateway = await stack.enter_async_context(running(site, tmp_path, "gateway", **front))
        client = await stack.enter_async_context(
            ClientSession(gateway["url"], headers={"Authorization": f"Bearer {API_TOKEN}"}, raise_for_status=True)
        )
        for page in ("/admin/", "/api/v1/docs/", "/api/v1/docs/swagger.json"):
            await client.get(page)
        await client.post("/api/v1/clients", json={"phone_number": "+79161234567"})
        env = environment(site, MAILING_API_TOKEN=API_TOKEN, MAILING_ENGINE_TARGET=engine["grpc"])
        mailing = (sys.executable, "-P", "-m", "cli", "mailing")
        await _done(tmp_path, *mailing, "create", "--text", "From a wheel", "--end", "+1h", "--watch", env=env)
        assert [each["text"] for each in sandbox.messages()] == ["From a wheel"]
