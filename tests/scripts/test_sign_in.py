"""scripts/sign_in.py: made once, kept, used again, and never in the way of what a person has set."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scripts.processes import Failed
from scripts.sign_in import FILE, PASSWORD, TOKEN, sign_in


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


def test_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(Failed, match=f"{FILE}: not UTF-8"):
        sign_in({}, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="can't keep the sign-in in"):
        sign_in({}, tmp_path / "file" / "data")
