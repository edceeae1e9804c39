"""The panel's words: English and Russian say the same things, every one that is asked for exists, none is left over.

Nothing is run here: the modules of ``admin/static`` are read as texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.error_codes import ErrorCode

STATIC = Path(__file__).parents[2] / "admin" / "static"
AREAS = sorted((STATIC / "words").glob("*.js"))
PLACEHOLDER = re.compile(r"%\{(\w+)\}")
LETTERS = re.compile(r"[A-Za-z]{2,}")
# What stays as it is in Russian: names of things that have no other, and examples.
LATIN = re.compile(
    r"(?<![A-Za-z])(API|HTTP|CSV|xlsx|attributes|ignore|UTF|JSON|NDJSON|Windows|Excel|PDF|zip|gzip|SMS|UCS|GSM|CRM|ID|IP|TLS|QR|Europe/Moscow|"
    r"UTC|BCP|ru|pt-BR|language|phone_number|phone_code|time_zone|tag|FBRQ_TOKEN|MAILING_WEBHOOK_PRIVATE|https|"
    r"PostgreSQL|python -m engine backup|"
    r"Mailing Service)(?![A-Za-z])"
)
PLURAL_FORMS = {"en": (1, 2), "ru": (1, 3)}
# react-admin and the engine ask for these; the labels of fields by the name of the resource and of the field.
ASKED_ELSEWHERE = ("ra.", "resources.")
BY_CODE = "code."
"""Keys of errors; English has those that it says otherwise than the API."""
AMOUNTS = {"min", "max", "count"}
"""Values that the panel writes as numbers (i18n.js)."""
OF_THE_ENGINE = ("problems", "calls")
"""Areas whose keys the engine chooses: codes, and its own sentences."""
OF_WHAT_IS_SAID = ("api.js", "i18n.js")
"""Scripts that look sentences of the engine up."""

Words = dict[str, str]


def read(path: Path) -> dict[str, Words]:
    """The words of an area. They are plain: JSON but for comments, trailing commas and the names of the languages."""
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    text = text.strip().removeprefix("export default ").removesuffix(";")
    text = re.sub(r"^  (en|ru): \{", r'  "\1": {', text, flags=re.MULTILINE)
    found: dict[str, Words] = json.loads(re.sub(r",(\s*\})", r"\1", text))
    return found


def all_words(language: str) -> Words:
    return {key: words for path in AREAS for key, words in read(path)[language].items()}


def scripts() -> Iterator[tuple[str, str]]:
    for path in sorted(STATIC.rglob("*.js")):
        if path.parent.name != "words":
            yield path.relative_to(STATIC).as_posix(), path.read_text()


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.stem)
def test_both_languages_say_the_same_things(path: Path) -> None:
    words = read(path)
    english_keys, russian_keys = list(words["en"]), list(words["ru"])
    assert english_keys == [key for key in russian_keys if key in words["en"] or not key.startswith(BY_CODE)]
    for key, english in words["en"].items():
        if key.startswith(BY_CODE):
            continue
        given, used = set(PLACEHOLDER.findall(english)), set(PLACEHOLDER.findall(words["ru"][key]))
        # react-admin's sentences name the resource in a case that Russian would have to bend.
        assert used <= given if key.startswith("ra.") else used == given, key


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.stem)
def test_plurals_have_the_forms_of_their_language(path: Path) -> None:
    for language, words in read(path).items():
        for key, text in words.items():
            assert len(text.split("||||")) in PLURAL_FORMS[language], f"{language} {key}"


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.stem)
def test_no_english_is_left_in_russian(path: Path) -> None:
    for key, text in read(path)["ru"].items():
        rest = LATIN.sub("", PLACEHOLDER.sub("", text))
        assert not LETTERS.findall(rest), f"{key}: {text}"


def test_no_key_is_in_two_areas() -> None:
    keys = [key for path in AREAS for key in read(path)["en"]]
    assert sorted(keys) == sorted(set(keys))


def test_every_word_that_is_asked_for_exists() -> None:
    words = all_words("en")
    missing = [
        f"{name}: {key}"
        for name, text in scripts()
        for key in re.findall(r'\bt\(\s*"([^"]+)"', text)
        if key not in words
    ]
    assert not missing


def test_no_word_is_left_over() -> None:
    source = "\n".join(text for _, text in scripts())
    literals = set(re.findall(r'"([a-z_]+(?:\.[\w.]+)?)"', source))
    asking = "\n".join(text for name, text in scripts() if name not in OF_WHAT_IS_SAID)
    templates = [
        re.sub(r"\\\$\\\{.*?\\\}", ".+", re.escape(each)) for each in re.findall(r"`([\w.]+\.\$\{[^`]*)`", asking)
    ]
    # A key that is put together: its beginning is all that can be looked for.
    built = re.compile("|".join(templates))
    left_over = [
        key
        for path in AREAS
        if path.stem not in OF_THE_ENGINE
        for key in read(path)["en"]
        if key not in literals and not key.startswith(ASKED_ELSEWHERE) and not built.fullmatch(key)
    ]
    assert not left_over


def test_every_field_that_has_a_label_is_shown_somewhere() -> None:
    source = "\n".join(text for _, text in scripts())
    for key in all_words("en"):
        if match := re.fullmatch(r"resources\.\w+\.fields\.([\w.]+)", key):
            assert re.search(rf'"{re.escape(match[1])}"', source), key


def test_every_error_code_has_words() -> None:
    words = read(STATIC / "words" / "problems.js")
    codes = {f"code.{code.name}": code for code in ErrorCode}
    assert set(codes) == {key for key in words["ru"] if key.startswith("code.")}
    for language in words.values():
        for key, text in language.items():
            if key in codes:
                assert set(PLACEHOLDER.findall(text)) <= set(re.findall(r"\{(\w+)\}", codes[key])), key
    for key, code in codes.items():
        as_api = re.sub(r"\{(\w+)\}", r"%{\1}", code)
        if AMOUNTS.intersection(PLACEHOLDER.findall(as_api)):
            assert key in words["en"], "its amounts are to be written as people write them"
        else:
            assert words["en"].get(key) != as_api, "the API says it so by itself"


def test_the_sentences_about_calls_are_those_that_the_engine_says() -> None:
    """A sentence that the engine has changed would be shown in English: found by its longest part without values."""
    source = "\n".join(path.read_text() for path in (STATIC.parents[1] / "engine").rglob("*.py"))
    source = re.sub(r"""["']\s*\n\s*f?["']""", "", source).replace('\\"', '"')
    for key in read(STATIC / "words" / "calls.js")["en"]:
        longest = max(PLACEHOLDER.sub("\0", key.removeprefix("call.")).split("\0"), key=len)
        assert longest.strip() in source, key
