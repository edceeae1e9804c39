"""Is a text a stop word: the whole of it, whatever its case and the signs around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.stop_words import STOP_WORDS, StopWords, bare

WORDS = StopWords()
SIGNS = st.text(st.characters(categories=["P", "S", "Z", "C"], exclude_characters="\0"), max_size=8)


@pytest.mark.parametrize(
    "text", ["STOP", "stop", "Стоп!", " «СТОП». ", "сТОП…", "STOP\n", "(unsubscribe)", "ＳＴＯＰ", "🛑 стоп 🛑"]
)
def test_stop_words(text: str) -> None:
    assert WORDS.has(text)


@pytest.mark.parametrize("text", ["", "!", "STOP IT", "не стоп", "стопка", "S T O P", "СТОП 2", "stop" + "!" * 1_000])
def test_everything_else(text: str) -> None:
    assert not WORDS.has(text)


@given(st.sampled_from(STOP_WORDS), SIGNS, SIGNS)
def test_signs_around_a_word_change_nothing(word: str, before: str, after: str) -> None:
    assert bare(f"{before}{word.title()}{after}") == word.casefold()


def test_words_of_ones_own_may_be_several_in_a_row() -> None:
    words = StopWords(["Не пишите", "нет!"])
    assert words.has("не   пишите.")
    assert words.has("НЕТ")
    assert not words.has("не")
    assert not StopWords([]).has("STOP")
