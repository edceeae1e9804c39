"""common/settings.py, engine/settings.py: flag, environment, .env, default; one line for a bad value, exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr, ValidationError

from common.command_line import Argument, Command
from common.setting_types import Listen
from common.settings import Invocation, flag
from engine.settings import COMMANDS, ENGINE, Settings, parse
from tests.cli.test_tls import Authority

TOKEN = {"FBRQ_TOKEN": "s3cret-token"}
Failing = Callable[..., list[str]]


def read(*argv: str, env: Mapping[str, str] = TOKEN, file: Path | None = None) -> Settings:
    return parse(argv, env, file).settings


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Failing:
    """Parse, see exit code 2, and return the lines on stderr."""

    def run(*argv: str, env: Mapping[str, str] = TOKEN, file: Path | None = None) -> list[str]:
        with pytest.raises(SystemExit) as stop:
            parse(argv, env, file)
        assert stop.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        lines: list[str] = err.splitlines()
        assert all(line.startswith("python -m engine: ") for line in lines)
        return [line.removeprefix("python -m engine: ") for line in lines]

    return run


# -- where a value comes from ----------------------------------------------------------------------


def test_defaults_are_those_of_the_specification() -> None:
    shown = {name: str(value) for name, value in read()}
    assert shown["database_url"] == "sqlite://data/mailing.db"
    assert (shown["workers"], shown["queue_size"], shown["tick_seconds"]) == ("64", "1000", "5.0")
    assert shown["provider_url"] == "https://probe.fbrq.cloud/v1"
    assert (shown["provider_rate"], shown["provider_timeout_seconds"]) == ("0.0", "10.0")
    assert (shown["retry_base_seconds"], shown["retry_max_seconds"], shown["lease_seconds"]) == ("5.0", "300.0", "60.0")
    assert shown["default_time_zone"] == "UTC"
    assert (shown["grpc_listen"], shown["metrics_listen"]) == ("127.0.0.1:50051", "127.0.0.1:9101")
    assert (shown["log_format"], shown["log_level"], shown["shutdown_seconds"]) == ("console", "info", "10.0")


def test_flag_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MAILING_WORKERS=3\nMAILING_QUEUE_SIZE=33\nMAILING_TICK_SECONDS=0.3\nOTHER=1\n")
    env = {**TOKEN, "MAILING_WORKERS": "2", "MAILING_QUEUE_SIZE": "22"}
    settings = read("--workers", "1", env=env, file=file)
    assert (settings.workers, settings.queue_size, settings.tick_seconds) == (1, 22, 0.3)
    assert settings.lease_seconds == 60


def test_empty_variable_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAILING_WORKERS=\nMAILING_QUEUE_SIZE=5\n")
    settings = read(env={**TOKEN, "MAILING_QUEUE_SIZE": ""}, file=tmp_path / ".env")
    assert (settings.workers, settings.queue_size) == (64, 5)


def test_file_that_is_not_there_is_an_empty_one(tmp_path: Path) -> None:
    assert read(file=tmp_path / "nothing").workers == 64


def test_dollars_in_the_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FBRQ_TOKEN=a${HOME}b\n")
    assert read(env={}, file=tmp_path / ".env").fbrq_token == SecretStr("a${HOME}b")


def test_the_mark_that_notepad_writes_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAILING_WORKERS=5\n", encoding="utf-8-sig")
    assert read(file=tmp_path / ".env").workers == 5


@pytest.mark.parametrize(
    "line", ["MAILING_PROVIDER_RATE 5", "MAILING_PROVIDER_RATE: 5", "=5", 'MAILING_STOP_WORDS="STOP']
)
def test_a_line_of_the_file_that_is_no_setting_is_an_error(failing: Failing, tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# ours\nexport MAILING_WORKERS=5 # of each\n{line}\n")
    assert failing(file=file) == [f"{file}: line 3 should be NAME=VALUE"]


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        read().workers = 1  # type: ignore[misc]


# -- the command line ------------------------------------------------------------------------------


def test_command_defaults_to_run() -> None:
    assert parse([], TOKEN, None).command == "run"


@pytest.mark.parametrize("argv", [("--workers", "5", "migrate"), ("migrate", "--workers", "5")])
def test_flags_stand_before_or_after_the_command(argv: tuple[str, ...]) -> None:
    assert parse(argv, {}, None) == Invocation("migrate", Settings(workers=5), {})


def test_command_of_two_words() -> None:
    commands = (*COMMANDS, Command("thing make", "make a thing"), Command("thing list", "list things"))
    assert parse(["--workers", "5", "thing", "make"], {}, None, commands=commands).command == "thing make"
    assert parse(["thing", "list", "--workers", "5"], {}, None, commands=commands).settings.workers == 5


ACCOUNT = Command(
    "account create",
    "add an account",
    (
        Argument("NAME", "how the person signs in"),
        Argument("--role", "what it may do", choices=("viewer", "admin"), required=True),
        Argument("--expire-days", "how long it lives", read=int, default=90),
        Argument("--workers-too", "whatever", is_switch=True),
    ),
)


def test_arguments_of_a_command() -> None:
    found = parse(["account", "create", "--workers", "5", "olga", "--role", "viewer"], {}, None, commands=(ACCOUNT,))
    assert (found.command, found.settings.workers) == ("account create", 5)
    assert found.arguments == {"name": "olga", "role": "viewer", "expire_days": 90, "workers_too": False}
    argv = ["account", "create", "--expire-days", "3", "--role", "admin", "--workers-too", "ivan"]
    found = parse(argv, {}, None, commands=(ACCOUNT,))
    assert found.arguments == {"name": "ivan", "role": "admin", "expire_days": 3, "workers_too": True}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--role", "admin"], "required: NAME"),
        (["olga"], "required: --role"),
        (["olga", "--role", "king"], "invalid choice: 'king'"),
        (["olga", "--role", "admin", "--expire-days", "soon"], "invalid int value: 'soon'"),
        (["olga", "--role", "admin", "peter"], "unknown flag or word: peter"),
    ],
)
def test_bad_arguments_are_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["account", "create", *argv], {}, None, commands=(ACCOUNT,))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_first_sign_in_comes_from_the_environment(failing: Failing) -> None:
    env = {**TOKEN, "MAILING_ADMIN_PASSWORD": "correct horse", "MAILING_API_TOKEN": "0123456789abcdef"}
    settings = read(env=env)
    assert settings.admin_password == SecretStr("correct horse")
    assert settings.api_token == SecretStr("0123456789abcdef")
    assert settings.session_seconds == 43_200
    assert "horse" not in repr(settings)
    for name, value, words in (
        ("MAILING_ADMIN_PASSWORD", "short77", "at least 8"),
        ("MAILING_ADMIN_PASSWORD", "x" * 257, "at most 256"),
        ("MAILING_API_TOKEN", "0123456789abcde", "at least 16 characters"),
        ("MAILING_API_TOKEN", "0123456789 abcdef", "visible ASCII"),
        ("MAILING_SESSION_SECONDS", "0", "greater than 0"),
    ):
        (line,) = failing(env={**TOKEN, name: value})
        assert line.startswith(f"{name}: ")
        assert words in line
        assert "but is" not in line or name == "MAILING_SESSION_SECONDS"


def test_every_setting_has_flag_variable_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["--help"], {}, None)
    assert stop.value.code == 0
    page = " ".join(capsys.readouterr().out.split())
    for field, info in Settings.model_fields.items():
        assert info.description
        assert f"{flag(field)} " in page or f"{flag(field)}," in page
        assert f"[{ENGINE.variable(field)}," in page
    assert "[MAILING_QUEUE_SIZE, 1000]" in page
    assert "[FBRQ_TOKEN, none]" in page


def test_plaintext_flag_needs_no_value() -> None:
    env = {**TOKEN, "MAILING_ALLOW_PLAINTEXT": "false"}
    assert read("--allow-plaintext", "--grpc-listen", "0.0.0.0:1", env=env).allow_plaintext


# -- bad values: one line each ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("workers", "many", "valid integer"),
        ("workers", "0", "greater than or equal to 1"),
        ("workers", "10001", "less than or equal to 10000"),
        ("queue_size", "-1", "greater than or equal to 1"),
        ("tick_seconds", "nan", "finite number"),
        ("tick_seconds", "0", "greater than 0"),
        ("provider_rate", "-0.5", "greater than or equal to 0"),
        ("provider_rate", "inf", "finite number"),
        ("provider_url", "probe.fbrq.cloud", "http:// or https://"),
        ("provider_url", "http://h:99999/", "not a URL"),
        ("provider_url", "http://h/a b", "no spaces"),
        ("provider_url", "http://h/?token=1", "neither user, password, query"),
        ("grpc_listen", "50051", "host:port"),
        ("grpc_listen", ":50051", "host:port"),
        ("grpc_listen", "::1:50051", "host:port"),
        ("grpc_listen", "localhost:65536", "host:port"),
        ("metrics_listen", "[::1", "host:port"),
        ("log_format", "xml", "'console' or 'json'"),
        ("log_level", "loud", "'debug', 'info'"),
        ("database_url", "mysql://u@h/d", "sqlite:// or postgres://"),
        ("database_url", "sqlite://:memory:", "should name a file"),
        ("database_url", "sqlite://", "should name a file"),
        ("database_url", "sqlite://data/", "should name a file"),
        ("database_url", "postgres://u@h", "should name a database"),
        ("allow_plaintext", "perhaps", "valid boolean"),
        ("default_time_zone", "Moscow", "IANA time zone name, such as Europe/Moscow"),
        ("fbrq_token", "two words", "one word of visible ASCII"),
        ("grpc_tls_cert", "/no/such/file", "does not point to a file"),
    ],
)
def test_bad_value_is_one_line_that_names_the_variable(failing: Failing, field: str, value: str, words: str) -> None:
    (line,) = failing(env={**TOKEN, ENGINE.variable(field): value})
    assert line.startswith(f"{ENGINE.variable(field)}: ")
    assert words in line


def test_the_line_names_the_flag_or_the_file_the_value_came_from(failing: Failing, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MAILING_QUEUE_SIZE=x\n")
    lines = failing("--workers", "abc", file=file)
    assert lines[0].startswith("--workers: should be a valid integer")
    assert lines[0].endswith('but is "abc"')
    assert lines[1].startswith(f"MAILING_QUEUE_SIZE in {file}: ")


@pytest.mark.parametrize("argv", [("--nope",), ("--work", "5"), ("nothing",), ("--workers",), ("run", "more")])
def test_unknown_words_are_one_line(failing: Failing, argv: tuple[str, ...]) -> None:
    assert len(failing(*argv)) == 1


def test_newlines_in_a_value_stay_on_the_line(failing: Failing) -> None:
    assert len(failing("--log-level", "a\nb")) == 1


def test_file_that_cannot_be_read_is_one_line(failing: Failing, tmp_path: Path) -> None:
    (line,) = failing(file=tmp_path)
    assert line.startswith(f"{tmp_path}: can't be read")


def test_asyncpg_missing_is_said_at_once(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.setting_types.find_spec", lambda _name: None)
    (line,) = failing("--database-url", "postgres://u@h/d")
    assert "extra 'postgres'" in line


# -- secrets ---------------------------------------------------------------------------------------


def test_secrets_are_never_shown(failing: Failing) -> None:
    settings = read("--database-url", "postgres://u:p4ss@h/d")
    assert settings.database_name == "postgres://u:***@h/d"
    assert "s3cret" not in f"{settings!r} {settings!s}"
    assert "p4ss" not in f"{settings!r} {settings!s}"
    for argv in (["--database-url", "mysql://u:p4ss@h/d"], ["--fbrq-token", "p4ss word"], ["--fbrq-tokn=p4ss"]):
        assert "p4ss" not in " ".join(failing(*argv))


def test_missing_token_is_an_error_only_for_a_real_provider(failing: Failing) -> None:
    (line,) = failing(env={})
    assert line.startswith("FBRQ_TOKEN: is missing")
    for url in ("http://127.0.0.1:8090", "http://localhost:8090/v1/", "http://[::1]:1"):
        assert read("--provider-url", url, env={}).fbrq_token is None
    assert parse(["migrate"], {}, None).settings.fbrq_token is None


def test_slash_at_the_end_of_the_provider_url_is_dropped() -> None:
    assert read("--provider-url", "https://h/v1/").provider_url == "https://h/v1"


# -- what must fit together ------------------------------------------------------------------------


def test_a_lease_may_be_shorter_than_a_call_for_it_is_renewed_meanwhile(failing: Failing) -> None:
    assert read("--lease-seconds", "2").lease_seconds == 2
    (line,) = failing("--lease-seconds", "0.5")
    assert line.startswith("--lease-seconds: should be greater than or equal to 1")


def test_there_is_a_slot_for_each_worker(failing: Failing) -> None:
    assert (read().slots, read("--slots", "64").slots, read("--slots", "65").slots) == (0, 64, 65)
    (line,) = failing("--slots", "63")
    assert line == "--slots: should be 0 or at least MAILING_WORKERS (64)"


def test_longest_wait_is_not_shorter_than_the_first(failing: Failing) -> None:
    (line,) = failing("--retry-max-seconds", "4")
    assert line == "--retry-max-seconds: should be at least MAILING_RETRY_BASE_SECONDS (5)"


@pytest.mark.parametrize(
    ("given", "missing"),
    [("cert", "grpc_tls_key"), ("key", "grpc_tls_cert"), ("client_ca", "grpc_tls_cert")],
)
def test_certificate_and_key_come_together(failing: Failing, tmp_path: Path, given: str, missing: str) -> None:
    (tmp_path / "x.pem").touch()
    (line,) = failing(flag(f"grpc_tls_{given}"), str(tmp_path / "x.pem"))
    assert line.startswith(f"{ENGINE.variable(missing)}: is missing")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("one.pem", "two.key"), "--grpc-tls-key: two.key is not the private key of one.pem"),
        (("junk", "junk"), "--grpc-tls-cert: no certificate and key in PEM form in junk and junk"),
        (("one.pem", "one.key", "junk"), "--grpc-tls-client-ca: junk has no certificate in PEM form"),
    ],
)
def test_tls_files_that_are_no_good_are_bad_values(
    failing: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Sequence[str], words: str
) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue("one")
    authority.issue("two")
    (tmp_path / "junk").write_text("junk")
    monkeypatch.chdir(tmp_path)
    flags = ("--grpc-tls-cert", "--grpc-tls-key", "--grpc-tls-client-ca")
    (line,) = failing(*(word for pair in zip(flags, files, strict=False) for word in pair))
    assert line.endswith(words)


def test_beyond_loopback_needs_tls_or_a_word(failing: Failing, tmp_path: Path) -> None:
    (line,) = failing("--grpc-listen", "0.0.0.0:50051")
    assert "MAILING_ALLOW_PLAINTEXT=true" in line
    (line,) = failing("--metrics-listen", "[::]:9101")
    assert line.startswith("--metrics-listen: [::]:9101 is beyond loopback and has no TLS")
    Authority(tmp_path, "ca").issue("x")
    tls = ("--grpc-tls-cert", str(tmp_path / "x.pem"), "--grpc-tls-key", str(tmp_path / "x.key"))
    assert read("--grpc-listen", "0.0.0.0:50051", *tls).uses_tls
    allowed = {**TOKEN, "MAILING_ALLOW_PLAINTEXT": "true"}
    assert str(read("--grpc-listen", "engine:50051", env=allowed).grpc_listen) == "engine:50051"


PLAIN_BEYOND: Final = (
    "http://provider.example/v1",
    "HTTP://10.0.0.7:8090/v1",
    "http://localhost.example/v1",
    "http://[2001:db8::1]/v1",
    "http://2130706433/v1",
)
PLAIN_AT_HOME: Final = ("http://127.0.0.1:8090/v1", "http://localhost:1", "http://[::1]:1/v1", "http://127.9.9.9/v1")


@pytest.mark.parametrize("url", PLAIN_BEYOND)
def test_the_provider_is_called_beyond_loopback_with_tls_or_a_word(failing: Failing, url: str) -> None:
    (line,) = failing("--provider-url", url)
    assert line.startswith("--provider-url: token, numbers and texts would leave this machine in the clear")
    assert line.endswith("MAILING_ALLOW_PLAINTEXT=true")
    assert url not in line
    allowed = read("--provider-url", url, "--allow-plaintext")
    assert allowed.provider_url == url.rstrip("/")
    assert read("--provider-url", url.lower().replace("http:", "https:")).provider_url.startswith("https:")


@pytest.mark.parametrize("url", PLAIN_AT_HOME)
def test_a_provider_on_loopback_needs_no_tls(url: str) -> None:
    assert read("--provider-url", url).provider_url == url


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:0", Listen("127.0.0.1", 0)),
        ("localhost:50051", Listen("localhost", 50051)),
        ("[::1]:50051", Listen("::1", 50051)),
        (" 127.9.9.9:65535 ", Listen("127.9.9.9", 65535)),
    ],
)
def test_listen_addresses(text: str, listen: Listen) -> None:
    settings = read("--grpc-listen", text)
    assert settings.grpc_listen == listen
    assert str(listen) == text.strip()
    assert listen.is_loopback
