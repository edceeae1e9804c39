"""Whether a text that was read as Windows-1251 looks as if it were in another encoding.

Nearly any byte is a letter of Windows-1251, so reading never fails: ``Müller`` of Windows-1252 becomes ``Mьller``,
``Новый`` of KOI8-R becomes ``оПЧЩК``. What gives a text away are words of two alphabets, words that begin small and go
on in capitals, letters that Russian does not have, and pairs of letters that it does not have where another encoding
would have them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.tables.russian_pairs import RARE, cost

READ_AS: Final = "windows-1251"
_RIVALS: Final = ("koi8-r", "cp866", "mac-cyrillic", "iso8859-5")
"""What else Russian text comes in."""
_REMEMBERED: Final = 4096
"""Tags repeat: each one is judged once."""
_MARGIN: Final = 5
"""Steps of e by which a rival must read better. Measured: with 5, one Russian word in 3,000 is doubted, and 5 of 60
capital abbreviations where they stand alone (МБДОУ, НЛМК), and 95 % of KOI8-R words are found out; with 6 one in 5,000,
3 of 60, and 92 %."""
_CHARACTERS_MIN: Final = 4
"""In fewer nothing can be told by their pairs."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_TWO_ALPHABETS: Final = re.compile(r"[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_SMALL_THEN_CAPITAL: Final = re.compile(r"[а-яё][^\W\d_]*[А-ЯЁ]")
_UNIT: Final = re.compile(r"(?:мк|[кмгдн])?(?:Вт|ВА|В|А|Гц|Ом|Па|Дж|Н|Б|эВ)ч?|рН")
"""кВт, мА, дБ, рН."""
# In Mac Cyrillic я is where Windows-1251 has Я: КлиентЯ, ЯрмаркА. A brand (МегаФон) has its capitals elsewhere.
_CAPITAL_YA: Final = re.compile(r"[а-яё]Я(?![А-ЯЁ])")
# Windows-1251 has these for Serbian and Macedonian, and as signs; in the others their bytes are common letters.
_NOT_RUSSIAN: Final = re.compile(r"[ЂЃѓђЉљЊњЌќЋћЏџЅѕЈј¤¦¬\xad]")
_STRAY_MARK: Final = re.compile(r"(?<!\w)[‚„‘’“”†‡€‰‹™›](?=[а-яё])")
"""The capital of a word in Mac Cyrillic."""
_QUOTED: Final = re.compile(r"«([^«»]*)»|„([^„“”]*)[“”]|“([^“”]*)”|‘([^‘’]*)’")
_SHORT: Final = re.compile(r"(?<![^\W\d_])[А-ЯЁ]{1,3}(?![^\W\d_])")
"""Initials, and abbreviations, which have any letters: МТС, ЖКХ."""
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_TYPOGRAPHY: Final = re.compile(r"[«»„“”‘’‚‹›–—…№•™€‰†‡®©°±§\xa0](?P<word>[а-яё])?")
_MARK_COST: Final = 4
_MARK_BEFORE_WORD_COST: Final = 10
_ODD_CASE: Final = re.compile(r"[а-яё][А-ЯЁ]")
_ODD_CASE_COST: Final = 4


@lru_cache(_REMEMBERED)
def misread(text: str) -> str | None:
    """Return the word that looks wrong in ``text``, which was read as Windows-1251; ``None``: it looks right."""
    for word in _WORD.findall(text):
        if _is_odd(word):
            return str(word)
    bare = _without_quotes(text)
    if found := _NOT_RUSSIAN.search(bare) or _STRAY_MARK.search(bare):
        return _around(bare, found.start())
    return _read_better(bare)


def _is_odd(word: str) -> bool:
    if _TWO_ALPHABETS.search(word) or _CAPITAL_YA.search(word):
        return True
    return _SMALL_THEN_CAPITAL.match(word) is not None and _UNIT.fullmatch(word) is None


def _without_quotes(text: str) -> str:
    """Quotes that open and close are what they seem to be."""
    while (bare := _QUOTED.sub(lambda found: found[found.lastindex or 0], text)) != text:
        text = bare
    return text


def _around(text: str, at: int) -> str:
    """The word at this place, with its marks."""
    return next(found[0] for found in re.finditer(r"\S+|\s", text) if found.end() > at)


def _read_better(text: str) -> str | None:
    """The least Russian word of a text that would be Russian in another encoding."""
    text = _SHORT.sub("", text)
    if len(_BEYOND_ASCII.findall(text)) < _CHARACTERS_MIN:
        return None
    raw = text.encode(READ_AS)
    if min(_strangeness(raw.decode(rival)) for rival in _RIVALS) + _MARGIN > _strangeness(text):
        return None
    return max(text.split(), key=_strangeness)


def _strangeness(text: str) -> int:
    marks = [found["word"] is not None for found in _TYPOGRAPHY.finditer(text)]
    return (
        cost(text)
        - RARE * len(marks)
        + sum(_MARK_BEFORE_WORD_COST if before_word else _MARK_COST for before_word in marks)
        + _ODD_CASE_COST * len(_ODD_CASE.findall(text))
    )
