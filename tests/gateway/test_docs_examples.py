"""``docs/examples`` do what they say, against a real gateway and engine, started once for all of them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from scripts.token_channel import API_TOKEN
from tests.gateway.rig import Gateway, serving
from tests.style.tree import ROOT

EXAMPLES: Final = ROOT / "docs" / "examples"
PROGRAMS: Final = ROOT / "build" / "examples" / "bin"
"""Where ``scripts/test`` has installed the generator."""
pytestmark = [pytest.mark.slow]


async def _say(*command: str, folder: Path, gateway: Gateway) -> str:
    """Run a command as the README there says, which must go well; what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILING_")}
    env = {
        **kept,
        "MAILING_HTTP_URL": gateway.url,
        "MAILING_ENGINE_TARGET": f"127.0.0.1:{gateway.engine.service.grpc_port}",
        "MAILING_API_TOKEN": API_TOKEN,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "proto"), str(folder))),
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, (command, out.decode())
    return out.decode()


async def test_each_example_sends_its_text(tmp_path: Path) -> None:
    python = sys.executable
    async with serving(tmp_path) as gateway:
        said = await asyncio.gather(
            _say("bash", str(EXAMPLES / "send.sh"), folder=tmp_path, gateway=gateway),
            _say(python, str(EXAMPLES / "send_rest.py"), folder=tmp_path, gateway=gateway),
            _say(python, str(EXAMPLES / "send_grpc.py"), folder=tmp_path, gateway=gateway),
        )
        texts = {str(each["text"]) for each in gateway.engine.sandbox.messages()}
    assert [re.sub(r"\d+:", "N:", each) for each in said] == ["mailing N: 1 sent, 0 not sent\n"] * 3
    assert texts == {"From curl", "From Python, over REST", "From Python, over gRPC"}


@pytest.mark.skipif(not PROGRAMS.exists() and "CI" not in os.environ, reason="no generator: ./scripts/test installs it")
async def test_a_client_that_a_stock_generator_makes_sends_its_text(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        generate = (str(PROGRAMS / "openapi-python-client"), "generate", "--meta", "none")
        where = ("--url", f"{gateway.url}/api/v1/docs/swagger.json", "--output-path", str(tmp_path / "mailing_client"))
        made = await _say(*generate, *where, folder=tmp_path, gateway=gateway)
        # What it can't make is named: the imports of files, and nothing else.
        left_out = re.findall(r"WARNING parsing \w+ (\S+)", made)
        assert left_out == ["/api/v1/clients/import", "/api/v1/suppressions/import"]
        program = (str(PROGRAMS / "python"), str(EXAMPLES / "send_generated.py"))
        said = await _say(*program, folder=tmp_path, gateway=gateway)
        assert [each["text"] for each in gateway.engine.sandbox.messages()] == ["From a generated client"]
    assert said == "mailing 1: 1 sent, 0 not sent\n"
