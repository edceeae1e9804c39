"""The commands of ``python -m engine``: ``account …``, ``token …``, ``check``."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from pyotp import HOTP

from common import logs, process
from engine.access.passwords import Passwords
from engine.access.secrets import digest, new_totp_secret
from engine.domain.access import Role
from engine.domain.totp import STEP_US
from engine.program import main
from engine.store import Store
from engine.store.access_rows import Shown
from engine.store.rows import Actor
from tests.hostile import ACTING, BROKEN, HIDING, MARKUP, raw


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the database is; the settings come from the flags alone."""
    url = f"sqlite://{tmp_path / 'mailing.db'}"
    monkeypatch.chdir(tmp_path)
    for name in ("MAILING_API_TOKEN", "MAILING_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAILING_DATABASE_URL", url)
    return url


def call(monkeypatch: pytest.MonkeyPatch, *words: str, stdin: str | bytes = "") -> int:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["engine", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)))
        # Those are for a whole process: the log would go on into this test's captured stream.
        patch.setattr(logs, "configure", lambda *_: None)
        patch.setattr(process, "tune", lambda: None)
        return main()


async def identify(url: str, secret: str) -> Role | None:
    store = await Store.open(url)
    found = await store.identify(digest(secret), 1)
    await store.close()
    return None if found is None else found.role


def test_accounts(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "account", "create", "anna", "--role", "admin") == 0
    assert capsys.readouterr().out.startswith("Password of the account anna: ")
    words = ("account", "create", "ben", "--role", "viewer", "--password-stdin")
    assert call(monkeypatch, *words, stdin="correct horse\nmore") == 0
    assert capsys.readouterr().out == "The account ben was made.\n"
    assert call(monkeypatch, *words, stdin="short") == 1
    assert capsys.readouterr().err == "python -m engine: password: must have 8 to 256 characters, not 5\n"
    assert call(monkeypatch, *words, stdin="correct horse") == 1
    assert "already" in capsys.readouterr().err
    assert call(monkeypatch, "account", "revoke", "BEN") == 0
    assert call(monkeypatch, "account", "revoke", "anna") == 1
    assert "last admin" in capsys.readouterr().err
    assert call(monkeypatch, "account", "revoke", "nobody") == 1
    assert capsys.readouterr().err == "python -m engine: account nobody does not exist\n"
    assert call(monkeypatch, "account", "list") == 0
    anna, ben = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert anna == ["1", "anna", "admin", "", ""]
    assert ben[:3] == ["2", "ben", "viewer"]
    assert ben[3].startswith("revoked 2")


async def test_tokens(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:

    async def run(*words: str) -> str:
        assert await asyncio.to_thread(call, monkeypatch, *words) == 0
        return capsys.readouterr().out

    secret = await run("token", "create", "ci", "--role", "operator", "--expire-days", "2")
    assert secret.startswith("mlt_")
    assert secret == secret.split()[0] + "\n"  # alone, for scripts
    assert await identify(url, secret.strip()) is Role.OPERATOR
    listed = (await run("token", "list")).rstrip("\n").split("\t")
    assert listed[:4] == ["1", "ci", "operator", secret[:8]]
    assert listed[4].startswith("expires 2")
    assert await run("token", "revoke", "1") == "The token 1 (ci) was revoked.\n"
    assert await identify(url, secret.strip()) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("account create x", "--role"),
        ("account create x --role king", "king"),
        ("token create --role admin", "NAME"),
        ("token create x --role admin --expire-days 0", "--expire-days"),
        ("token create x --role admin --expire-days nan", "--expire-days"),
        ("token create x --role admin --expire-days many", "--expire-days"),
        ("token revoke one", "ID"),
        ("token", "command"),
    ],
)
@pytest.mark.usefixtures("url")
def test_a_bad_word_is_one_line_and_exit_code_2(
    words: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, *words.split())
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert said.lower() in err.lower()
    assert err.count("\n") == 1


async def test_while_an_engine_owns_the_file_the_api_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    store = await Store.open(url)
    try:
        assert await asyncio.to_thread(call, monkeypatch, "token", "create", "x", "--role", "admin") == 1
    finally:
        await store.close()
    err = capsys.readouterr().err
    assert "in use by another engine" in err
    assert "/api/v1/tokens" in err
    assert err.count("\n") == 1


async def test_names_of_others_are_printed_as_text(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = await Store.open(url)
    for number, text in enumerate((*ACTING, *HIDING, *MARKUP)):
        name, by = text.replace("\0", ""), Actor("tests")
        await store.seed_token(name, digest(str(number)), hint=name, only_first=False, by=by, now_us=1)
        await store.seed_account(name, "hash", by=by, now_us=1)
    await store.close()
    count = len((*ACTING, *HIDING, *MARKUP))
    for words, lines in ((("token", "list"), count), (("account", "list"), 1), (("token", "revoke", "2"), 1)):
        assert await asyncio.to_thread(call, monkeypatch, *words) == 0
        out, err = capfd.readouterr()
        assert (raw(out) - {"\t"}, out.count("\n"), err) == (set(), lines, "")


@pytest.mark.parametrize("text", [" ".join((*ACTING, *HIDING)), "\n", *BROKEN])
def test_what_is_said_about_an_argument_is_one_line_of_text(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    for words in (("account", "revoke", text), (text,), ("token", "revoke", text), ("--workers", text)):
        try:
            code = call(monkeypatch, *words)
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capfd.readouterr()
        assert (code in (1, 2), out, raw(err), err.count("\n")) == (True, "", set(), 1)


async def with_second_step(url: str) -> None:
    store = await Store.open(url)
    asked: dict[str, Any] = {"by": Actor("test"), "now_us": STEP_US}
    secret = new_totp_secret()
    await store.begin_totp(1, secret, shown=None, **asked)
    shown = Shown(code=HOTP(secret).at(1))
    await store.confirm_totp(1, shown=shown, recovery_hashes=[], keep_session_id=0, **asked)
    await store.close()


async def since_when(url: str) -> int | None:
    store = await Store.open(url)
    found = await store.totp_of(1)
    await store.close()
    return found.enable_us


def test_whoever_has_the_machine_lets_the_last_admin_in_again(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "account", "create", "anna", "--role", "admin") == 0
    asyncio.run(with_second_step(url))
    assert asyncio.run(since_when(url)) == STEP_US
    capsys.readouterr()
    assert call(monkeypatch, "account", "reset-totp", "ANNA") == 0
    assert capsys.readouterr().out.startswith("A password is enough for the account anna again")
    assert asyncio.run(since_when(url)) is None
    assert call(monkeypatch, "account", "reset-totp", "nobody") == 1


def test_what_is_no_text_is_one_line_that_names_it(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("account", "create", "ben", "--role", "viewer", "--password-stdin")
    assert call(monkeypatch, *words, stdin=b"\xcf\xe0\xf0\xee\xeb\xfc\n") == 2
    line = "python -m engine: --password-stdin: what came from stdin is not UTF-8 (byte 0xcf at 1)\n"
    assert capfd.readouterr() == ("", line)
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, "token", "create", "\udcd1", "--role", "viewer")
    assert capfd.readouterr() == ("", "python -m engine: NAME: is not UTF-8: write it in UTF-8\n")


async def test_a_byte_order_mark_is_no_part_of_a_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("account", "create", "ben", "--role", "viewer", "--password-stdin")
    stdin = b"\xef\xbb\xbfcorrect horse\r\n"
    assert await asyncio.to_thread(lambda: call(monkeypatch, *words, stdin=stdin)) == 0
    store = await Store.open(url)
    found = await store.account_named("ben")
    await store.close()
    assert found is not None
    passwords = Passwords()
    assert await passwords.verify(found[1], "correct horse")
    passwords.close()


def test_check_of_a_file_that_is_not_there_says_so(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It opened one, empty, and all was well: so the backup of a mistyped path looked good."""
    file = tmp_path / "mailing.db"
    assert call(monkeypatch, "check") == 1
    assert capsys.readouterr().err == f"python -m engine: there is no database in {file}\n"
    assert not file.exists()
    file.touch()
    assert call(monkeypatch, "check") == 1
    file.unlink()
    assert call(monkeypatch, "migrate") == 0
    capsys.readouterr()
    assert call(monkeypatch, "check") == 0
    assert capsys.readouterr().out == "All counters agree with the messages. Mailings: 0.\n"
