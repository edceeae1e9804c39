"""common/terminal.py, and the first of its exits, the log: nothing of other people's acts on a terminal or hides."""

from __future__ import annotations

import errno
import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from common.logs import configure, get_logger
from common.terminal import say, tolerate_terminal, visible, visible_json, visible_lines, words_of
from tests.hostile import ACTING, BROKEN, HIDING, MARKUP, ORDINARY, raw, without_colours

# Signs of Arabic and other scripts that have a shape, though their category is Cf.
_SHAPED = frozenset(map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)))


@pytest.mark.parametrize("text", [*ACTING, *HIDING, *BROKEN])
def test_what_acts_or_hides_becomes_an_escape(text: str) -> None:
    shown = visible(text)
    assert not raw(shown)
    assert "\n" not in shown
    assert "\\" in shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", [*ORDINARY, *MARKUP])
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) == text
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\x9b", r"\x9b"),
        ("a\nb\tc\rd\0", r"a\nb\tc\rd\x00"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_an_escape_is_what_a_programmer_would_write(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_every_character_of_these_categories_is_escaped() -> None:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    through = [
        c for c in characters if unicodedata.category(c) in kinds and c not in _SHAPED and visible(f"a{c}b") == f"a{c}b"
    ]
    assert through == []


@given(st.text() | st.text("\x1b\n\u202e\u200d\ufe0f👩🏽a\ud83dم"))
def test_any_text_is_one_line_and_its_json_the_same_json(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert len(shown.splitlines()) <= 1
    for written in (json.dumps(text), json.dumps([text], indent=2)):
        assert json.loads(visible_json(written)) == json.loads(written)


def test_lines_of_a_traceback_stay_and_are_indented() -> None:
    assert visible_lines("Traceback:\n  x\x1b\nforged") == "    Traceback:\n      x\\x1b\n    forged"


def test_say_escapes_values_not_what_is_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    say(1, "a\tb", "\ud83d", sep="\t")
    assert capsys.readouterr().out == "1\ta\\tb\t\\ud83d\n"


def test_a_terminal_of_another_encoding_fails_no_print(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    tolerate_terminal()
    say("— Скидка")
    assert out.buffer.getvalue() == b"\\u2014 \\u0421\\u043a\\u0438\\u0434\\u043a\\u0430\n"


# -- the log ---------------------------------------------------------------------------------------

EVERYTHING = [*ACTING, *HIDING, *BROKEN]


class Stream(io.StringIO):
    """A terminal, or a file."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def _log_everything() -> int:
    """Each text of the corpus wherever a line can hold one; how many lines that makes beside tracebacks."""
    log, other = get_logger("gateway"), logging.getLogger("grpc")
    for text in EVERYTHING:
        log.info("http.request", path=f"/api/v1/clients/{text}", method=text)
        log.info(text)
        log.warning("deferred", detail=text, headers={text: [text]}, error=ValueError(text))
        other.warning("refused %s", text)
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("failed")
            other.exception("failed")
    return 6 * len(EVERYTHING)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_console_log_shows_nothing_raw(is_terminal: bool) -> None:
    stream = Stream(is_terminal)
    configure("console", "info", stream)
    lines = _log_everything()
    written = without_colours(stream.getvalue()) if is_terminal else stream.getvalue()
    assert not raw(written)
    # What begins a line is ours: nobody's text has made one more.
    assert len(re.findall(r"(?m)^\S", written)) == lines
    assert len(re.findall(r"(?m)^20\d\d-\d\d-\d\dT", written)) == lines


@pytest.mark.usefixtures("restored")
def test_the_json_log_shows_nothing_raw_and_stays_json() -> None:
    stream = Stream(False)
    configure("json", "info", stream)
    lines = _log_everything()
    written = stream.getvalue()
    assert not raw(written)
    values = [json.loads(line) for line in written.split("\n")[:-1]]
    assert len(values) == lines
    assert values[0]["path"] == f"/api/v1/clients/{EVERYTHING[0]}"


@pytest.mark.usefixtures("restored")
def test_an_escape_in_the_log_is_written_once() -> None:
    stream = Stream(False)
    configure("console", "info", stream)
    get_logger("gateway").info("x", path="/a b\x1b", other="c:\\d e")
    line = stream.getvalue()
    assert r"path='/a b\x1b'" in line
    assert r"other='c:\\d e'" in line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileExistsError(errno.EEXIST, "File exists", "copy.db"), "copy.db: File exists"),
        (
            OSError(errno.EADDRINUSE, "can't listen on 0.0.0.0:1: Address already in use"),
            "can't listen on 0.0.0.0:1: Address already in use",
        ),
        (OSError("a timer that broke"), "a timer that broke"),
        (ValueError("no number"), "no number"),
    ],
)
def test_an_error_is_told_in_words(error: Exception, words: str) -> None:
    assert words_of(error) == words
