"""scripts/sign_in.py: made once, kept, used again, and never in the way of what a person has set."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scripts.processes import Failed
from scripts.sign_in import ADDRESSES, FILE, PASSWORD, TOKEN, forget_addresses, keep_addresses, sign_in


def test_both_are_made_once(tmp_path: Path) -> None:
    first = sign_in({}, tmp_path / "data")
    assert first.made == {PASSWORD, TOKEN}
    assert (len(first.environ[PASSWORD]), len(first.environ[TOKEN]), first.environ[TOKEN][:4]) == (16, 47, "mlt_")
    assert sign_in({}, tmp_path / "data") == first
    assert sign_in({}, tmp_path / "elsewhere").environ[TOKEN] != first.environ[TOKEN]
    assert [file.name for file in (tmp_path / "data").iterdir()] == [FILE]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    sign_in({}, tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_is_set_is_taken_and_not_written_down(tmp_path: Path) -> None:
    both = {PASSWORD: "correct horse", TOKEN: "a-token-of-ones-own"}
    given = sign_in(both, tmp_path)
    assert (given.environ, given.made) == (both, frozenset())
    assert not (tmp_path / FILE).exists()
    half = sign_in({TOKEN: both[TOKEN], PASSWORD: ""}, tmp_path)
    assert half.environ[TOKEN] == both[TOKEN]
    assert half.made == {PASSWORD}
    assert both[TOKEN] not in (tmp_path / FILE).read_text()


def test_what_is_missing_in_the_file_is_added(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f"{PASSWORD}=kept-as-it-was\n")
    first = sign_in({}, tmp_path)
    assert first.environ[PASSWORD] == "kept-as-it-was"
    assert sign_in({}, tmp_path) == first


HERE = {"MAILING_ENGINE_TARGET": "127.0.0.1:4711", "MAILING_HTTP_URL": "http://127.0.0.1:4712"}
THERE = {"MAILING_ENGINE_TARGET": "127.0.0.1:4713", "MAILING_SANDBOX_URL": "http://127.0.0.1:4714"}


def test_where_it_listens_is_beside_the_token_while_it_runs(tmp_path: Path) -> None:
    first = sign_in({}, tmp_path)
    before = (tmp_path / FILE).read_text()
    keep_addresses(tmp_path, HERE)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    text = (tmp_path / FILE).read_text()
    assert [line for line in text.splitlines() if line not in before] == [f"{k}={v}" for k, v in HERE.items()]
    assert sign_in({}, tmp_path) == first
    forget_addresses(tmp_path, HERE, {})
    assert (tmp_path / FILE).read_text() == before
    forget_addresses(tmp_path, HERE, {})
    assert (tmp_path / FILE).read_text() == before


def test_the_last_to_start_is_the_one_that_is_found(tmp_path: Path) -> None:
    """What was killed has left its addresses; what still runs must not take away those of another."""
    keep_addresses(tmp_path, HERE)
    keep_addresses(tmp_path, THERE)
    text = (tmp_path / FILE).read_text()
    forget_addresses(tmp_path, HERE, {})
    assert (tmp_path / FILE).read_text() == text
    assert "MAILING_HTTP_URL" not in text
    forget_addresses(tmp_path, THERE, {})
    assert not (tmp_path / FILE).exists()


def test_what_runs_on_is_found_again_once_the_later_one_has_ended(tmp_path: Path) -> None:
    assert keep_addresses(tmp_path, HERE) == {}
    text = (tmp_path / FILE).read_text()
    before = keep_addresses(tmp_path, THERE)
    assert before == HERE
    forget_addresses(tmp_path, THERE, before)
    assert (tmp_path / FILE).read_text() == text


def test_every_address_that_is_written_is_known(tmp_path: Path) -> None:
    assert (HERE | THERE).keys() <= set(ADDRESSES)


def test_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(Failed, match=f"{FILE}: not UTF-8"):
        sign_in({}, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="can't keep the sign-in in"):
        sign_in({}, tmp_path / "file" / "data")
