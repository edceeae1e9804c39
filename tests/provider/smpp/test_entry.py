"""``kind = "smpp"`` in the providers' file."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from common.command_line import BadSettings
from engine.ports import Abilities
from engine.provider import file as providers_file
from engine.provider.file import ConfiguredProvider, describe, read_providers
from engine.provider.receipts import StandingProvider
from engine.provider.smpp.provider import Manners, SmppProvider
from engine.provider.smpp.receipts import ReceiptIds
from engine.provider.smpp.texts import LongTexts

ENVIRON: Final = {"PASSWORD": "s3cret"}
SMPP: Final = """
[[provider]]
name = "operator"
kind = "smpp"
host = "smsc.example"
port = 3550
tls = true
system_id = "shop"
system_type = "VMA"
secrets = { password = "PASSWORD" }
senders = ["Shop"]
workers = 20
source_ton = 5
source_npi = 0
long_texts = "payload"
validity = false
rejected = [0x401, 1026]
busy = [0x500]
receipt_ids = "decimal"
receipt_time_zone = "Europe/Moscow"
"""
SHORT: Final = """
[[provider]]
name = "operator"
kind = "smpp"
host = "127.0.0.1"
system_id = "shop"
secrets = { password = "PASSWORD" }
"""


def read(folder: Path, text: str, *, password: str = ENVIRON["PASSWORD"]) -> ConfiguredProvider:
    file = folder / "providers.toml"
    file.write_text(text, encoding="utf-8")
    (found,) = read_providers(file, {"PASSWORD": password})
    return found


def line_of(folder: Path, text: str, *, password: str = ENVIRON["PASSWORD"]) -> str:
    """What is wrong, without file and table."""
    with pytest.raises(BadSettings) as caught:
        read(folder, text, password=password)
    (line,) = caught.value.lines
    prefix = f"{folder / 'providers.toml'}: [[provider]] 1 (operator): "
    assert line.startswith(prefix)
    assert password not in line
    return line.removeprefix(prefix)


def test_all_that_can_be_said(tmp_path: Path) -> None:
    configured = read(tmp_path, SMPP)
    provider = configured.make()
    assert isinstance(provider, SmppProvider)
    assert isinstance(provider, StandingProvider)
    assert provider.abilities == Abilities(validity=False, sender=True, receipts=True)
    assert provider.link == ("smsc.example", 3550, "shop", "s3cret", "VMA", True, 20)
    assert provider.manners == Manners(
        senders=("Shop",),
        source_ton=5,
        source_npi=0,
        long_texts=LongTexts.PAYLOAD,
        validity=False,
        rejected=frozenset({0x401, 0x402}),
        busy=frozenset({0x500}),
        receipt_ids=ReceiptIds.DECIMAL,
        receipt_zone=ZoneInfo("Europe/Moscow"),
    )
    assert describe(configured).startswith("operator: kind smpp; order 1; all numbers; no rate limit; takes ")


def test_the_least_that_must_be_said(tmp_path: Path) -> None:
    provider = read(tmp_path, SHORT).make()
    assert isinstance(provider, SmppProvider)
    assert provider.link == ("127.0.0.1", 2775, "shop", "s3cret", "", False, 10)
    assert provider.manners == Manners()
    assert provider.abilities == Abilities(validity=True, sender=True, receipts=True)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('host = "smsc.example"', "", "host: is missing"),
        ('host = "smsc.example"', 'host = "smpp://smsc"', "host: string should match pattern '^[A-Za-z0-9._:-]+$'"),
        ("port = 3550", "port = 0", "port: should be greater than or equal to 1"),
        ("tls = true", "tsl = true", "tsl: is not known here; did you mean tls?"),
        (
            "tls = true",
            "tls = false",
            "host: password, numbers and texts would leave this machine in the clear: "
            "needs tls = true or MAILING_ALLOW_PLAINTEXT",
        ),
        ('"shop"', '"sixteen-letters!"', "system_id: string should match pattern '^[!-~]{1,15}$'"),
        ('"VMA"', '"thirteen-long"', "system_type: string should match pattern '^[!-~]{0,12}$'"),
        (
            "{ password = ",
            "{ token = ",
            "secrets.token: is not known here; there is password",
        ),
        (
            'secrets = { password = "PASSWORD" }',
            "",
            "secrets.password: is missing: the name of the environment variable that has it",
        ),
        ('["Shop"]', '["Магазин"]', "senders: can't be sent: a sender can have 20 visible ASCII characters"),
        ("workers = 20", "workers = 0", "workers: should be greater than or equal to 1"),
        ("workers = 20", "worker = 20", "worker: is not known here; did you mean workers?"),
        ("workers = 20", "time_out_seconds = 31", "time_out_seconds: should be at most 30: smpp34 waits no longer"),
        ('"payload"', '"sar"', "long_texts: should be 'udh' or 'payload'"),
        ("[0x500]", "[0x401]", "busy: has 0x401, and so has rejected"),
        ("[0x500]", "[0]", "busy[0]: should be greater than or equal to 1"),
        (
            '"Europe/Moscow"',
            '"Moscow"',
            "receipt_time_zone: should be an IANA time zone name, such as Europe/Moscow",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in SMPP
    assert line_of(tmp_path, SMPP.replace(old, new, 1)) == line


@pytest.mark.parametrize("password", ["nine-char", "two wrds"])
def test_a_password_that_can_not_be_sent(tmp_path: Path, password: str) -> None:
    expected = "secrets.password: its value should be 1 to 8 visible ASCII characters, as SMPP 3.4 has it"
    assert line_of(tmp_path, SMPP, password=password) == expected


def test_the_extra_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "smpp34" else find_spec(name)

    monkeypatch.setattr(providers_file, "find_spec", find)
    line = "kind: smpp needs the package smpp34: pip install --require-hashes -r requirements/smpp.txt"
    assert line_of(tmp_path, SMPP) == line


def test_other_providers_do_not_need_the_extra() -> None:
    code = "import sys; sys.modules['smpp34'] = None; import engine.provider.file, engine.service"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
