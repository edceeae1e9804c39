"""The providers' file of ``scripts/run --providers 2``: the engine reads it, and the sandbox takes what it says."""

from __future__ import annotations

from pathlib import Path

from engine.ports import Request
from engine.provider.file import read_providers
from scripts.sandbox import Sandbox
from scripts.sandbox_file import write_providers
from tests.patience import PATIENT_SECONDS


async def test_the_engine_reads_it_and_each_provider_takes_its_texts(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    async with await Sandbox.start(providers=3) as sandbox:
        environ = write_providers(file, sandbox.root_url, 3, 150)
        assert environ.pop("MAILING_PROVIDERS") == str(file)
        found = read_providers(file, environ)
        assert [(each.spec.name, each.spec.order, each.spec.rate) for each in found] == [
            ("alpha", 1, 150), ("beta", 2, 150), ("gamma", 3, 150)
        ]  # fmt: skip
        for message_id, configured in enumerate(found, 1):
            provider = configured.make()
            assert (await provider.send(Request(message_id, 79161234567, "x", PATIENT_SECONDS))).http_status == 200
            await provider.close()
        assert [each.accepted_ids() for each in sandbox.providers] == [[1], [2], [3]]
    assert file.stat().st_mode & 0o777 == 0o600
