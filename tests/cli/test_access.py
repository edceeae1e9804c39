"""`mailing token`, `account` and `whoami` against the fake engine, and where the command finds its own token."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.credentials import find_target, find_token
from cli.failures import UsageFailure
from mailing.v1 import access_pb2, access_service_pb2, audit_pb2, engine_service_pb2
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script

HERE = "127.0.0.1:50051"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to be in, and no word of a token in the environment."""
    for name in (
        "MAILING_API_TOKEN",
        "MAILING_RUN_FOLDER",
        *(f"MAILING_ENGINE_TLS_{k}" for k in ("CA", "CERT", "KEY")),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def script(engine: tuple[Script, str], monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("MAILING_ENGINE_TARGET", engine[1])
    monkeypatch.setenv("COLUMNS", "120")
    vars(engine[0]).update(vars(Script()))
    return engine[0]


# -- what is asked and shown ---------------------------------------------------------------------------


def test_a_token_is_made_with_role_and_end(run: Run, script: Script) -> None:
    code, out, _ = run("token", "create", "report", "--role", "operator", "--expire", "2030-01-01T00:00:00Z", "--json")
    assert (code, json.loads(out)["secret"], json.loads(out)["token"]["role"]) == (0, "mlt_Ab3x-the-secret", "viewer")
    request = script.last(access_service_pb2.CreateTokenRequest)
    assert (request.name, request.role) == ("report", access_pb2.ROLE_OPERATOR)
    assert request.expire_time.ToJsonString() == "2030-01-01T00:00:00Z"


def test_a_token_without_an_end_has_none(run: Run, script: Script) -> None:
    assert run("token", "create", "report", "--role", "viewer")[0] == 0
    assert not script.last(access_service_pb2.CreateTokenRequest).HasField("expire_time")


def test_a_token_for_a_file_is_its_secret_alone(run: Run) -> None:
    assert run("token", "create", "prometheus", "--role", "viewer", "--quiet") == (0, "mlt_Ab3x-the-secret\n", "")


def test_a_role_that_there_is_not_is_refused(run: Run, script: Script) -> None:
    code, _, err = run("token", "create", "report", "--role", "boss")
    assert (code, err) == (2, "error: --role: 'boss' is not one of viewer, operator, admin, provider\n")
    assert script.requests == []


def test_an_account_s_password_is_made_and_shown_once(run: Run, script: Script) -> None:
    code, out, err = run("account", "create", "anna", "--role", "operator")
    request = script.last(access_service_pb2.CreateAccountRequest)
    assert (code, request.name, request.role, len(request.password)) == (0, "anna", access_pb2.ROLE_OPERATOR, 16)
    assert request.password in out
    assert err == "The password is shown only here.\n"
    first = request.password
    value = json.loads(run("account", "create", "anna", "--role", "operator", "--json")[1])
    assert value["account"]["name"] == "anna"
    assert value["password"] == script.last(access_service_pb2.CreateAccountRequest).password != first


def test_an_account_s_password_may_come_from_stdin(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"correct horse \r\n")))
    code, out, err = run("account", "create", "anna", "--role", "viewer", "--password-stdin")
    assert (code, err) == (0, "")
    assert script.last(access_service_pb2.CreateAccountRequest).password == "correct horse "
    assert "horse" not in out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert run("account", "create", "anna", "--role", "viewer", "--password-stdin")[0] == 2


@pytest.mark.parametrize("kind", ["token", "account"])
def test_revoking_asks_first(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert run(kind, "revoke", "5")[0] == 2
    assert script.requests == []
    assert run(kind, "revoke", "5", "--yes")[0] == 0
    assert getattr(script.requests[0], f"{kind}_id") == 5


def test_an_account_is_revoked_with_its_tokens_if_asked(run: Run, script: Script) -> None:
    code, _, err = run("account", "revoke", "5", "--yes")
    assert (code, "3 API tokens that it has made are still good" in err) == (0, True)
    assert run("--json", "account", "revoke", "5", "--yes")[2] == ""
    code, out, err = run("account", "revoke", "5", "--with-tokens", "--yes")
    assert (code, err, "tokens made" in out) == (0, "", True)
    requests: list[Any] = list(script.requests)
    asked = [request.revoke_made_tokens for request in requests]
    assert asked == [False, False, True]


def test_the_audit_list_is_asked_for_a_kind_of_caller(run: Run, script: Script) -> None:
    assert run("audit", "--kind", "Account", "--actor-id", "7")[0] == 0
    request = script.last(engine_service_pb2.ListAuditEventsRequest)
    assert (request.actor_kind, request.actor_id) == (audit_pb2.ACTOR_KIND_ACCOUNT, 7)
    code, _, err = run("audit", "--kind", "king")
    assert (code, "is not one of account, token, command, system, nobody" in err) == (2, True)


# -- where the token comes from ------------------------------------------------------------------------


def test_option_or_environment_go_before_file_before_what_run_made(folder: Path) -> None:
    assert find_token(None, HERE) is None
    (folder / "data").mkdir()
    (folder / "data" / "sign-in.env").write_text("MAILING_ADMIN_PASSWORD=x\nMAILING_API_TOKEN=made\n")
    assert find_token(None, HERE) == "made"
    (folder / ".env").write_text("MAILING_API_TOKEN=dotted$HOME\n")
    assert find_token("", HERE) == "dotted$HOME"
    assert find_token("given", HERE) == "given"


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_data_folder_may_be_another(folder: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "sign-in.env").write_text("MAILING_API_TOKEN=made\n")
    if where == ".env":
        (folder / ".env").write_text("MAILING_RUN_FOLDER=other\n")
    else:
        monkeypatch.setenv("MAILING_RUN_FOLDER", "other")
    assert find_token(None, HERE) == "made"


@pytest.mark.parametrize(
    ("target", "is_here"),
    [
        *((target, True) for target in ("localhost:1", "[::1]:1", "127.9.9.9:1", "dns:///127.0.0.1:1", "unix:/run/x")),
        *((target, False) for target in ("10.0.0.7:1", "engine.example:1", "localhost.example:1", "[2001:db8::1]:1")),
    ],
)
def test_what_run_made_is_for_the_engine_on_this_machine(folder: Path, target: str, is_here: bool) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "sign-in.env").write_text("MAILING_API_TOKEN=made\n")
    assert find_token(None, target) == ("made" if is_here else None)


@pytest.mark.parametrize("token", ["two words", "naïve", "line\nbreak"])
def test_a_token_that_can_t_be_sent_is_named_and_not_shown(token: str) -> None:
    with pytest.raises(UsageFailure, match="MAILING_API_TOKEN") as caught:
        find_token(token, HERE)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("engine.example:1", []),
        ("10.0.0.7:1", ["--json"]),
        ("dns:///engine.example:1", []),
    ],
)
def test_no_token_travels_beyond_this_machine_in_the_clear(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, target: str, more: list[str]
) -> None:
    called: list[str] = []

    def channel(target: str, *_: object) -> None:
        called.append(target)
        raise UsageFailure("called")

    monkeypatch.setattr("grpc.aio.insecure_channel", channel)
    command = ("whoami", "--token", "mlt_x", "--target", target, *more)
    code, _, err = run(*command)
    assert (code, called) == (2, [])
    assert err == (
        f"error: the token would reach {target} in the clear: give --tls-ca, or --allow-plaintext "
        "(MAILING_ALLOW_PLAINTEXT=true)\n"
    )
    run("--allow-plaintext", *command)
    run(*command, "--allow-plaintext")
    monkeypatch.setenv("MAILING_ALLOW_PLAINTEXT", "true")
    run(*command)
    monkeypatch.delenv("MAILING_ALLOW_PLAINTEXT")
    (folder / ".env").write_text("MAILING_ALLOW_PLAINTEXT=true\n")
    run(*command)
    assert called == [target] * 4


def test_the_target_is_kept_beside_the_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILING_ENGINE_TARGET", raising=False)
    assert find_target(None) == "127.0.0.1:50051"
    (folder / "data").mkdir()
    (folder / "data" / "sign-in.env").write_text("MAILING_API_TOKEN=made\nMAILING_ENGINE_TARGET=127.0.0.1:4711\n")
    assert find_target("") == "127.0.0.1:4711"
    (folder / ".env").write_text("MAILING_ENGINE_TARGET=127.0.0.1:4712\n")
    assert find_target(None) == "127.0.0.1:4712"
    assert find_target("127.0.0.1:4713") == "127.0.0.1:4713"


def test_the_engine_s_own_first_sign_in_is_read_too(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "first-sign-in.env").write_text("MAILING_API_TOKEN=by-the-engine\n")
    assert find_token(None, HERE) == "by-the-engine"
    (folder / "data" / "sign-in.env").write_text("MAILING_API_TOKEN=by-run\n")
    assert find_token(None, HERE) == "by-run"


def test_help_does_not_read_what_can_t_be_read(run: Run, folder: Path) -> None:
    (folder / ".env").write_bytes(b"MAILING_API_TOKEN=\xff\n")
    code, _, err = run("whoami")
    assert (code, err) == (2, "error: can't read .env: not UTF-8\n")
    assert run("whoami", "--help")[0] == 0


def test_what_was_found_travels_as_a_bearer(run: Run, script: Script, folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "sign-in.env").write_text("MAILING_API_TOKEN=mlt_made\n")
    assert run("whoami")[0] == 0
    assert script.metadata["authorization"] == "Bearer mlt_made"
