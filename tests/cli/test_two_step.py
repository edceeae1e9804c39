"""`mailing account totp …` against the fake engine, with somebody at the terminal."""

from __future__ import annotations

import io
import sys

import grpc
import pytest
import typer

from mailing.v1 import access_service_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_engine import Context, Script, refuse


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the person is asked, each with what they answer."""
    asked: list[str] = []

    def prompt(words: str, *, hide_input: bool) -> str:
        asked.append(words)
        return "correct horse" if hide_input else f"code {len(asked)}"

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", prompt)
    return asked


def test_it_is_turned_on_with_a_picture_and_codes_for_later(run: Run, script: Script, typed: list[str]) -> None:
    code, out, err = run("account", "totp", "enable", "anna")
    assert (code, err) == (0, "They are shown only here.\n")
    assert typed == ["Password", "Code that the app shows"]
    assert script.last(pb.BeginTotpRequest) == pb.BeginTotpRequest(current_password="correct horse")
    assert script.last(pb.ConfirmTotpRequest).one_time_code == "code 2"
    assert "█" in out
    assert "JBSWY3DPEHPK3PXP" in out
    assert "  abcd-efgh-2345-ijkl\n" in out
    assert script.metadata["authorization"] == "Bearer mls_secret"
    assert isinstance(script.requests[-1], pb.SignOutRequest)


def test_recovery_codes_are_made_anew(run: Run, script: Script, typed: list[str]) -> None:
    code, out, err = run("account", "totp", "recovery-codes", "anna")
    assert (code, err) == (0, "They are shown only here.\n")
    assert out.endswith("  mnop-qrst-2345-uvwx\n")
    assert script.last(pb.RenewRecoveryCodesRequest).one_time_code == "code 2"
    assert len(typed) == 2


def test_it_is_turned_off_by_whoever_signs_in_with_both_steps(run: Run, script: Script, typed: list[str]) -> None:
    async def abort(context: Context) -> None:
        script.abort = None
        await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "one more thing", reason="ONE_TIME_CODE_REQUIRED")

    script.abort = abort
    code, out, err = run("account", "totp", "disable", "anna")
    assert (code, out, err) == (0, "A password is enough for the account anna again.\n", "")
    assert script.last(pb.SignInRequest).one_time_code == "code 2"
    assert script.last(pb.DisableTotpRequest).one_time_code == "code 3"
    assert len(typed) == 3


def test_nobody_is_asked_without_a_terminal_and_nothing_goes_out_in_the_clear(run: Run, script: Script) -> None:
    code, _, err = run("account", "totp", "enable", "anna")
    assert (code, err) == (2, "error: this asks for a password and for codes: run it in a terminal\n")
    code, _, err = run("--target", "mailing.example:50051", "account", "totp", "enable", "anna")
    assert code == 2
    assert "in the clear" in err
    assert script.requests == []
