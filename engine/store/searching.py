"""Texts that contain another one, in letters of either case.

SQLite's ``lower`` knows the letters of ASCII only, and PostgreSQL's those of the database's locale, which may be "C".
So the search text becomes a pattern with both cases of each letter: of GLOB on SQLite, of regular expressions on
PostgreSQL. Both compare the characters in brackets by their numbers, in any locale.
"""

from __future__ import annotations

from engine.store.dialect import Dialect


def contains_text(dialect: Dialect, column: str) -> str:
    """The condition that a text contains that of the argument, ``pattern_of``."""
    return f"{column} GLOB ?" if dialect.is_sqlite else f"{column} ~ ?"


def pattern_of(dialect: Dialect, text: str) -> str:
    """The argument for the ``?`` of ``contains_text``; ``text``: what is looked for."""
    if dialect.is_sqlite:
        return f"*{''.join(map(_globbed, text))}*"
    return "".join(map(_expressed, text))


def _cases(letter: str) -> str:
    """The letter in all its cases that are one letter: "ß" is not found by "SS"."""
    found = {letter, letter.lower(), letter.upper(), letter.title(), letter.casefold()}
    return "".join(sorted(each for each in found if len(each) == 1))


def _globbed(character: str) -> str:
    cases = _cases(character)
    return f"[{cases}]" if len(cases) > 1 or character in "*?[" else character


def _expressed(character: str) -> str:
    cases = _cases(character)
    if len(cases) > 1:
        return f"[{cases}]"
    return character if character.isalnum() or not character.isascii() else f"\\{character}"
