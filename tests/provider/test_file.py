"""The providers' file: what is read, and that each thing that is wrong is one line which says where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from common.command_line import BadSettings
from engine.ports import Abilities
from engine.provider.configured import configured_providers
from engine.provider.described import DescribedProvider
from engine.provider.fbrq import FbrqProvider
from engine.provider.file import ConfiguredProvider, describe, read_providers
from engine.provider.spec import ProviderSpec, RateUnit
from engine.settings import load
from tests.provider.mistakes import CHANGED, ENVIRON, FBRQ, HTTP


def read(
    folder: Path, text: str, environ: Mapping[str, str] = ENVIRON, *, allow_plaintext: bool = False
) -> tuple[ConfiguredProvider, ...]:
    file = folder / "providers.toml"
    file.write_text(text, encoding="utf-8")
    return read_providers(file, environ, allow_plaintext=allow_plaintext)


def lines_of(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """What is wrong, without the file's name."""
    with pytest.raises(BadSettings) as caught:
        read(folder, text, environ)
    prefix = f"{folder / 'providers.toml'}: "
    assert all(line.startswith(prefix) and "\n" not in line for line in caught.value.lines)
    return [line.removeprefix(prefix) for line in caught.value.lines]


def test_two_providers(tmp_path: Path) -> None:
    main, other = read(tmp_path, FBRQ + HTTP)
    assert main.spec == ProviderSpec(name="main", kind="fbrq", order=1)
    assert isinstance(main.make(), FbrqProvider)
    assert main.receiver is None
    assert other.spec == ProviderSpec(
        name="other",
        kind="http",
        order=1,
        rate=12.5,
        rate_unit=RateUnit.SEGMENTS,
        workers=3,
        time_out_seconds=4.0,
        prefixes=("7916", "7495"),
        senders=("Shop", "Bank"),
        price_per_segment=2.5,
        failover=False,
    )
    provider = other.make()
    assert isinstance(provider, DescribedProvider)
    assert provider.abilities == Abilities(sender=True, receipts=True)
    assert other.receiver is not None
    assert describe(other) == (
        "other: kind http; order 1; 7916, 7495; 12.5 segments/s; takes sender; sends receipts; workers 3"
    )


@pytest.mark.parametrize("case", CHANGED)
def test_what_is_wrong_is_one_line(case: str, tmp_path: Path) -> None:
    before, after, words = CHANGED[case]
    assert before in HTTP
    lines = lines_of(tmp_path, HTTP.replace(before, after))
    named = [line for line in lines if words in line]
    assert len(named) == 1, lines
    assert named[0].startswith("[[provider]] 1")
    assert not any(value in line for line in lines for value in ENVIRON.values())


WHOLE_FILES: Final[dict[str, tuple[str, str]]] = {
    "nothing": ("", "has no table [[provider]]"),
    "no TOML": (
        "[[provider]\n",
        "is not TOML: Expected ']]' at the end of an array declaration (at line 1, column 11)",
    ),
    "another table": (FBRQ + "[other]\n", "other: is not known here: a provider is a table [[provider]]"),
    "one table": ("[provider]\nname = 'x'\n", "has no table [[provider]]"),
    "numbers": ("provider = [1]\n", "[[provider]] 1: is no table"),
    "one name twice": (FBRQ + FBRQ, "name: 2 tables [[provider]] are 'main'"),
    "a secret that fbrq does not know": (
        FBRQ.replace("token =", "tokn ="),
        "[[provider]] 1 (main): secrets.tokn: is not known here; there is token",
    ),
    "no token for fbrq": (
        FBRQ.replace('secrets = { token = "TOKEN" }', ""),
        "[[provider]] 1 (main): secrets.token: is missing: the name of the environment variable that has it; "
        "only on loopback it is not needed",
    ),
    "half a bracket for fbrq": (FBRQ.replace("probe.", "["), "[[provider]] 1 (main): url: Invalid IPv6 URL"),
    "a sender for fbrq": (FBRQ + 'senders = ["A"]\n', "[[provider]] 1 (main): senders: fbrq takes no sender"),
    "a date in JSON": (
        HTTP.replace('ref = "{id}"', "ref = 2026-11-29"),
        "[[provider]] 1 (other): request.json: can't hold dates or times: write them as texts",
    ),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_what_is_wrong_with_the_file(case: str, tmp_path: Path) -> None:
    text, line = WHOLE_FILES[case]
    assert line in lines_of(tmp_path, text)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, FBRQ.replace("url", "ulr") + HTTP.replace("workers = 3", "workers = -3"))
    assert lines == [
        "[[provider]] 1 (main): url: is missing",
        "[[provider]] 1 (main): ulr: is not known here; did you mean url?",
        "[[provider]] 2 (other): workers: should be greater than or equal to 1",
    ]


def test_of_a_wrong_rule_nothing_is_said_but_what_is_wrong(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, HTTP.replace('"accepted"', '"acepted"'))
    assert line.startswith("[[provider]] 1 (other): answers.rules[0].means: should be 'accepted', 'rejected', 'busy'")


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + FBRQ)[0].spec.name == "main"


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadSettings, match=words):
            read_providers(path, ENVIRON)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="is not UTF-8"):
        read_providers(tmp_path / "b.toml", ENVIRON)
    (tmp_path / "c.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(BadSettings, match="is larger than 1 MB"):
        read_providers(tmp_path / "c.toml", ENVIRON)


def test_plain_text_to_this_machine_or_when_it_is_allowed(tmp_path: Path) -> None:
    there = HTTP.replace("https://api.example", "http://api.example")
    here = HTTP.replace("https://api.example", "http://127.0.0.1:8099")
    assert read(tmp_path, there, allow_plaintext=True)[0].spec.name == "other"
    assert read(tmp_path, here)[0].spec.name == "other"


def test_fbrq_needs_no_token_on_loopback(tmp_path: Path) -> None:
    sandbox = FBRQ.replace("https://probe.fbrq.cloud", "http://localhost:8099").replace('token = "TOKEN"', "")
    assert read(tmp_path, sandbox)[0].secrets == {}


RULES: Final = """
    { means = "accepted", pointer = "/id", values = [1] },
    { means = "busy", pointer = "/id" },
    { means = "accepted", pointer = "/name", pattern = "x" },
    { means = "failed", pattern = "x" },
    { means = "accepted" },
    { means = "failed", status = ["2xx", 429] },
    { means = "rejected", status = 400 },
"""


def test_rules_from_the_narrow_to_the_wide_are_all_asked(tmp_path: Path) -> None:
    assert read(tmp_path, HTTP.replace('{ means = "accepted", pointer = "/id" }', RULES))


@pytest.mark.parametrize("form", ["%Y%m%d", "%d.%m.%y %H", "%d.%m.%Y %I:%M %p", "%Y-%m-%dT%H:%M:%S.%f%z", "%j %Y"])
def test_a_form_of_time_keeps_the_day(form: str, tmp_path: Path) -> None:
    text = HTTP.replace('status = "/status"', f'status = "/status"\ntime_format = "{form}"')
    assert read(tmp_path, text)


def test_a_provider_may_be_retired_if_another_is_not(tmp_path: Path) -> None:
    retired = HTTP.replace("failover = false", "retired = true")
    assert lines_of(tmp_path, retired, ENVIRON) == ["retired: all providers are: nobody would get a text"]
    first, second = read(tmp_path, retired + FBRQ)
    assert (first.spec.retired, second.spec.retired) == (True, False)
    assert describe(first).startswith("other: kind http; order 1; retired;")


def test_a_variable_that_is_empty_is_not_set(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, HTTP, {"TOKEN": "", "KEY": "x"})
    assert lines == ["[[provider]] 1 (other): secrets.token: the environment variable TOKEN is not set"]


@pytest.mark.parametrize("secret", ["two\nlines", "ключ"])
def test_a_secret_that_can_stand_nowhere_is_not_repeated(secret: str, tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, HTTP, {**ENVIRON, "TOKEN": secret})
    assert line == "[[provider]] 1 (other): secrets.token: TOKEN should be visible ASCII characters"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            {"workers": "5", "provider_rate": "2"},
            "fbrq: kind fbrq; order 0; all numbers; 2 messages/s; takes the text alone; sends no receipts; workers 5",
        ),
        (
            {"providers": "FILE"},
            "main: kind fbrq; order 1; all numbers; no rate limit; takes the text alone; sends no receipts; workers 64",
        ),
    ],
)
def test_the_providers_of_the_settings(flags: Mapping[str, str], expected: str, tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(FBRQ, encoding="utf-8")
    named = {key: str(file) if value == "FILE" else value for key, value in flags.items()}
    settings = load(named, {"FBRQ_TOKEN": "x"}, None)
    assert [describe(each) for each in configured_providers(settings, ENVIRON)] == [expected]
