"""gateway/settings.py: names, defaults and bounds of docs/behaviour.md, section 7, and what must fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from common.settings import flag
from gateway.settings import GATEWAY, Settings, parse
from tests.cli.test_tls import Authority


def failing(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    """Parse, see exit code 2, and return the lines on stderr."""
    with pytest.raises(SystemExit) as stop:
        parse(argv, {}, None)
    assert stop.value.code == 2
    lines: list[str] = capsys.readouterr().err.splitlines()
    return [line.removeprefix("python -m gateway: ") for line in lines]


def test_defaults_are_those_of_the_specification() -> None:
    settings = parse([], {}, None).settings
    assert (str(settings.http_listen), settings.engine_target) == ("127.0.0.1:8080", "127.0.0.1:50051")
    assert (settings.engine_tls_ca, settings.engine_tls_cert, settings.engine_tls_key) == (None, None, None)
    assert (settings.log_format, settings.log_level, settings.shutdown_seconds) == ("console", "info", 10)


def test_every_setting_has_flag_variable_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["--help"], {}, None)
    assert stop.value.code == 0
    page = " ".join(capsys.readouterr().out.split())
    for field, info in Settings.model_fields.items():
        assert info.description
        assert f"{flag(field)} " in page or f"{flag(field)}," in page
        assert f"[{GATEWAY.variable(field)}," in page


def test_environment_and_flags() -> None:
    environ = {"MAILING_HTTP_LISTEN": "[::1]:1", "MAILING_ENGINE_TARGET": "dns:///localhost:50051"}
    settings = parse(["--http-listen", "localhost:0"], environ, None).settings
    assert (str(settings.http_listen), settings.engine_target) == ("localhost:0", "dns:///localhost:50051")


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert parse([], {}, None).settings.trusted_proxies == ()
    found = parse(["--trusted-proxies", "10.0.0.7, 192.168.0.0/16,fd00::/8,"], {}, None).settings.trusted_proxies
    assert [str(each) for each in found] == ["10.0.0.7/32", "192.168.0.0/16", "fd00::/8"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("--http-listen", "8080", "host:port"),
        ("--engine-target", "two words", "gRPC target"),
        ("--http-body-bytes", "1", "greater than or equal to 1024"),
        ("--http-json-depth", "1000", "less than or equal to 500"),
        ("--http-token-rate", "-1", "greater than or equal to 0"),
        ("--http-read-seconds", "0", "greater than 0"),
        ("--call-seconds", "nan", "finite number"),
        ("--trusted-proxies", "10.0.0.0/33", "addresses or networks"),
        ("--trusted-proxies", "proxy.local", "addresses or networks"),
        ("--http-hosts", "mailing.example:8080", "names of hosts without ports"),
        ("--http-hosts", "http://x", "names of hosts without ports"),
        ("--http-tls-cert", "/no/such/file", "does not point to a file"),
        ("--workers", "1", "unknown flag"),
    ],
)
def test_bad_value_is_one_line(capsys: pytest.CaptureFixture[str], name: str, value: str, words: str) -> None:
    (line,) = failing(capsys, name, value)
    assert name in line
    assert words in line


def test_beyond_loopback_needs_tls_or_a_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (line,) = failing(capsys, "--http-listen", "0.0.0.0:8080")
    assert "MAILING_ALLOW_PLAINTEXT=true" in line
    assert parse(["--http-listen", "0.0.0.0:8080", "--allow-plaintext"], {}, None).settings.allow_plaintext
    Authority(tmp_path, "ca").issue("x")
    pair = ["--http-tls-cert", str(tmp_path / "x.pem"), "--http-tls-key", str(tmp_path / "x.key")]
    argv = ["--http-listen", "0.0.0.0:8080", *pair]
    assert parse(argv, {}, None).settings.uses_tls


TARGETS_HERE: Final = (
    "127.0.0.1:50051", "127.0.0.1", "localhost:1", "LOCALHOST:1", "[::1]:1", "::1", "127.9.9.9:1", "0.0.0.0:1",
    "[::]:1", "dns:localhost:1", "dns:///127.0.0.1:1", "dns:///[::1]:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1",
    "unix:/run/x", "unix:///run/x", "unix-abstract:x",
)  # fmt: skip
TARGETS_BEYOND: Final = (
    "engine:50051", "10.0.0.7:1", "10.0.0.7", "engine.example:1", "localhost.example:1", "[2001:db8::1]:1",
    "2001:db8::1", "dns:///engine:1", "dns:engine:1", "dns://10.0.0.7/localhost:1", "dns:////localhost:1",
    "ipv4:127.0.0.1:1,10.0.0.7:1", "xds:///localhost:1", "passthrough:///10.0.0.7:1", "127.0.0.1:1,10.0.0.7:1",
    "127.0.0.1.example:1", "[::1:1",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS_HERE)
def test_an_engine_on_this_machine_needs_no_tls(target: str) -> None:
    assert parse(["--engine-target", target], {}, None).settings.engine_target == target


@pytest.mark.parametrize("target", TARGETS_BEYOND)
def test_an_engine_beyond_loopback_needs_tls_or_a_word(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str
) -> None:
    (line,) = failing(capsys, "--engine-target", target)
    assert line.startswith(f"--engine-target: tokens would reach {target} in the clear")
    assert line.endswith("needs MAILING_ENGINE_TLS_CA or MAILING_ALLOW_PLAINTEXT=true")
    assert parse(["--engine-target", target, "--allow-plaintext"], {}, None).settings.engine_target == target
    ca = Authority(tmp_path, "ca").path
    assert parse(["--engine-target", target, "--engine-tls-ca", str(ca)], {}, None).settings.engine_tls_ca == ca


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["http-tls-cert"], "MAILING_HTTP_TLS_KEY"),
        (["http-tls-key"], "MAILING_HTTP_TLS_CERT"),
        (["engine-tls-cert"], "MAILING_ENGINE_TLS_KEY"),
        (["engine-tls-key"], "MAILING_ENGINE_TLS_CERT"),
        (["engine-tls-cert", "engine-tls-key"], "MAILING_ENGINE_TLS_CA"),
    ],
)
def test_pem_files_come_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, given: list[str], missing: str
) -> None:
    Authority(tmp_path, "ca").issue("x")
    files = {name: str(tmp_path / ("x.key" if name.endswith("key") else "x.pem")) for name in given}
    (line,) = failing(capsys, *(word for name, file in files.items() for word in (f"--{name}", file)))
    assert line.startswith(f"{missing}: is missing")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ("--http-tls-cert one.pem --http-tls-key two.key", "--http-tls-key: two.key is not the private key of one.pem"),
        (
            "--http-tls-cert junk --http-tls-key junk",
            "--http-tls-cert: no certificate and key in PEM form in junk and junk",
        ),
        ("--engine-tls-ca junk", "--engine-tls-ca: junk has no certificate in PEM form"),
        (
            "--engine-tls-ca ca.pem --engine-tls-cert one.pem --engine-tls-key two.key",
            "--engine-tls-key: two.key is not the private key of one.pem",
        ),
    ],
)
def test_pem_files_that_are_no_good_are_bad_values(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, words: str
) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue("one")
    authority.issue("two")
    (tmp_path / "junk").write_text("junk")
    monkeypatch.chdir(tmp_path)
    assert failing(capsys, *files.split()) == [words]
