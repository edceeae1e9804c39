from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from engine.domain.phone import default_code, digits_of, normalise

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1)]
SPACES = ["\t", *(each for each in CHARACTERS if unicodedata.category(each) == "Zs")]
DASHES = [each for each in CHARACTERS if unicodedata.category(each) == "Pd"]
UNSEEN = [each for each in CHARACTERS if unicodedata.category(each) == "Cf"]


@pytest.mark.parametrize(
    "text",
    [
        *("+7 (916) 123-45-67", "+79161234567", "79161234567", "7 916 123 45 67", "8 (916) 123-45-67", "89161234567"),
        *("9161234567", "916.123.45.67", " +7\u00a0916\u00a01234567 ", "8(916)123-45-67", "(916) 123-45-67"),
        *("+ 7 916 123 45 67", "8 - 916 - 123 - 45 - 67", "79161234567\r\n", "8 916 (1234567)", "89161 234567"),
        # Copied from a messenger, a web page, a phone book: marks of direction, and dashes of all lengths.
        *("\u202a+7 916 123-45-67\u202c", "\u200e+79161234567", "\u2066+7 916 123-45-67\u2069", "\ufeff79161234567"),
        *("+7 916 123\u201145\u201167", "+7 916 123–45–67", "+7 916 123—45—67", "8\u2009916\u202f123\u200b45\u00ad67"),
    ],
)
def test_the_ways_people_write_a_number(text: str) -> None:
    assert normalise(text) == 79161234567


ALONE = "digit that stands alone"
LAST = "ends with a single digit or a decimal"
EXCEL = "Excel has shortened: digits are lost; format the column as text"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must not be empty"),
        ("+", "must not be empty"),
        (" - ", "must not be empty"),
        # Somebody else's number, if it were believed.
        *(("7771234567.0", LAST), ("8432345678.0", LAST), ("79161234567.0", LAST), ("771234567.00", LAST)),
        *(("812-345-67-89-1", LAST), ("8001234567 (1)", LAST), ("8 916 123-45-6", LAST), ("9 16 123 45 67", ALONE)),
        *(("7 916 1 234567", ALONE), ("8-9-161-23-45-67", ALONE), ("8 (9) 161 23 45 67", ALONE)),
        *(("8916123456", "11 digits, 7XXXXXXXXXX: ten"), ("7916123456", "11 digits"), ("4951234567", "only when.*9")),
        *(("7,9265551E+10", EXCEL), ("7.92655512345E+10", EXCEL), ("7,92656Е+10", EXCEL), ("8e10", EXCEL)),
        *(("916123456", "not 9$"), ("791612345678", "not 12$"), ("+7 916 123-45-67-89", "not 13$")),
        # Other countries.
        *(("+89161234567", "country code 7"), ("+9161234567", "country code 7"), ("+14155552671", "country code 7")),
        *(("19161234567", r"begin with 7 \(or 8\)"), ("1 415 555-26-71", r"begin with 7 \(or 8\)")),
        # Where a sign does not belong.
        *(("7+9161234567", 'may have "\\+" only'), ("++79161234567", 'may have "\\+" only')),
        *(("(8) (916) 1234567", "one group"), ("8 (916 1234567", "one group"), ("8 )916( 1234567", "one group")),
        *(("8 (916 123) 4567", "one group"), ("8 () 9161234567", "one group"), ("8 ((916)) 1234567", "one group")),
        *(("-79161234567", r'begin with "-" \(HYPHEN-MINUS\)'), ("79161234567.", r'end with "\." \(FULL STOP\)')),
    ],
)
def test_what_may_be_no_number_or_another_one_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalise(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("916123456x", '"x" (LATIN SMALL LETTER X)'),
        ("8916l234567", '"l" (LATIN SMALL LETTER L)'),
        ("89161234567 домашний", '"д" (CYRILLIC SMALL LETTER DE)'),
        ("0x79161234567", '"x" (LATIN SMALL LETTER X)'),
        ("7916123,4567", '"," (COMMA)'),
        ("79161234567; 12345", '";" (SEMICOLON)'),
        ("7916123456٧", '"٧" (ARABIC-INDIC DIGIT SEVEN)'),
        ("7916123456\uff17", '"\uff17" (FULLWIDTH DIGIT SEVEN)'),
        ("7916123456²", '"²" (SUPERSCRIPT TWO)'),
        ("7916−1234567", '"−" (MINUS SIGN)'),
        ("7916\n1234567", "U+000A"),
        ("7916\x001234567", "U+0000"),
        ("7916\x1b[31m1234567", "U+001B"),
        ("7916\x851234567", "U+0085"),
        ("79161234567\x1f", "U+001F"),
        ("7916\u20281234567", "U+2028 (LINE SEPARATOR)"),
        ("7916\u03011234567", "U+0301 (COMBINING ACUTE ACCENT)"),
        ("7916\ud8001234567", "U+D800"),
        ("7916\ue0001234567", "U+E000"),
    ],
)
def test_a_character_that_does_not_belong_is_named_in_words(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"^contains {re.escape(named)}$"):
        normalise(text)
    with pytest.raises(ValueError, match=rf"^contains {re.escape(named)}$"):
        digits_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *("79161234567, 79161234568", "8 (916) 123-45-67; +7 916 123-45-68", "9161234567/9161234568"),
        *("79161234567\n79161234568", "79161234567;;79161234568;79161234569;", "84951234567|4951234568"),
        *("+79161234567 +79161234568", "8 916 123 45 67 8 916 123 45 68", "8 (916) 123-45-67 (916) 123-45-68"),
        *("+79161234567+79161234568", "79161234567 - 79161234568", "79161234567 Иван, 79161234568 Анна"),
    ],
)
def test_two_numbers_are_called_so(text: str) -> None:
    for understood in (normalise, digits_of):
        with pytest.raises(ValueError, match=r"^has more than one number"):
            understood(text)


@pytest.mark.parametrize(
    "text",
    [
        *("89161234567 доб. 12", "8 (495) 123-45-67 (доб. 1234)", "+7 495 123-45-67, доб.12", "84951234567доб12"),
        *(
            "84951234567 вн. 7",
            "8 (495) 1234567 ext. 12",
            "84951234567x12",
            "84951234567 #12",
            "84951234567 ДОБАВОЧНЫЙ 3",
        ),
    ],
)
def test_an_extension_is_called_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"^has an extension"):
        normalise(text)


@pytest.mark.parametrize("text", ["7916123456779161234568", "12345678901234567890 12", "123456789012 3456789012"])
def test_digits_that_are_no_whole_numbers_are_not_called_two(text: str) -> None:
    with pytest.raises(ValueError, match=r"not (22|24|32)$|begin with 7|must have"):
        normalise(text)


def test_a_tab_stands_between_groups_as_any_space() -> None:
    assert normalise("+7\t916\t1234567") == 79161234567


# -- properties: what the grammar allows is read, and no digit is dropped or made up -----------------------------------


def sizes_of(digits: int) -> list[tuple[int, ...]]:
    """All ways to cut so many digits into groups of two or more."""
    longer = [(size, *rest) for size in range(2, digits - 1) for rest in sizes_of(digits - size)]
    return [(digits,), *longer] if digits > 1 else []


@st.composite
def written(draw: st.DrawFn) -> tuple[str, int]:
    """A number in any form that docs/behaviour.md ("Phone numbers on input") allows."""
    prefix = draw(st.sampled_from(["+7", "7", "8", ""]))
    rest = draw(st.from_regex(r"9[0-9]{9}" if prefix == "" else r"[0-9]{10}", fullmatch=True))
    groups, at = [], 0
    for size in draw(st.sampled_from(sizes_of(10))):
        groups.append(rest[at : at + size])
        at += size
    bracketed = draw(st.integers(-1, len(groups) - 1))
    text = prefix
    for index, group in enumerate(groups):
        separator = draw(st.text(st.sampled_from([*SPACES, *DASHES, "."]), max_size=3)) if text else ""
        text += separator + (f"({group})" if index == bracketed else group)
    assume(not re.fullmatch(r"[0-9]+\.0+", text))  # 9161234.000 is a decimal
    unseen = draw(st.lists(st.tuples(st.integers(0, len(text)), st.sampled_from(UNSEEN)), max_size=4))
    for place, character in unseen:
        text = text[:place] + character + text[place:]
    blanks = draw(st.tuples(*[st.text(st.sampled_from(SPACES), max_size=2)] * 2))
    return blanks[0] + text + blanks[1], int("7" + rest)


@given(written())
def test_a_number_in_any_form_that_is_allowed_is_that_number(case: tuple[str, int]) -> None:
    text, phone = case
    assert normalise(text) == phone


BETWEEN = st.sampled_from([" ", "\u00a0", "\t", ";", ", ", "/", "\n", "+", " и "])


@settings(max_examples=25)  # the forms of one number have a test of their own
@given(st.lists(written(), min_size=2, max_size=3), BETWEEN)
def test_several_numbers_are_called_so_whatever_is_between_them(numbers: list[tuple[str, int]], between: str) -> None:
    with pytest.raises(ValueError, match=r"^has more than one number"):
        normalise(between.join(text for text, _ in numbers))


SIGNS = st.text(st.sampled_from([*"+()-. eE,", "\u00a0", "\u202a", "–", "\n", "x"]), max_size=2)
LIKELY = st.lists(st.tuples(st.from_regex(r"[0-9]{0,7}", fullmatch=True), SIGNS), max_size=6).map(
    lambda parts: "".join(digits + signs for digits, signs in parts)
)


@given(st.text(max_size=20) | st.text("+78 0123456789()-.", max_size=20) | LIKELY)
@example("7771234567.0")
@example("7,9265551E+10")
def test_any_text_is_refused_or_a_number_with_exactly_its_digits(text: str) -> None:
    phone, refusal = 0, ""
    try:
        phone = normalise(text)
    except ValueError as error:
        refusal = str(error)
    if refusal:  # it never has the number in it, not even a half
        assert not re.search(r"[0-9]{5}", re.sub(r"U\+[0-9A-F]+|\([^)]*\)", "", refusal))
        return
    digits = [each for each in text if each.isdigit()]
    assert all(each.isascii() for each in digits)
    assert "".join(digits) in {str(phone), "8" + str(phone)[1:], str(phone)[1:]}
    assert 70_000_000_000 <= phone <= 79_999_999_999
    if len(digits) == 10:
        assert digits[0] == "9"


@given(st.integers(70_000_000_000, 79_999_999_999))
def test_a_number_as_shown_is_read_back(phone: int) -> None:
    assert normalise(str(phone)) == normalise(f"+{phone}") == normalise("8" + str(phone)[1:]) == phone


def test_code() -> None:
    assert default_code(79161234567) == "916"


# -- a part of a number, for a search ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("123", "123"),
        ("+7 (916) 12", "791612"),
        ("(916", "916"),
        ("-89-1", "891"),
        ("\u202a916\u00a0–\u00a012\u202c", "91612"),
        ("8 916 123-45-67", "79161234567"),
        ("89161234", "89161234"),
    ],
)
def test_a_part_of_a_number_is_its_digits(text: str, digits: str) -> None:
    assert digits_of(text) == digits


@pytest.mark.parametrize(("text", "length"), [("", 0), ("( ) -", 0), ("1-2", 2), ("1" * 12, 12)])
def test_too_few_digits_or_too_many_are_no_part_of_a_number(text: str, length: int) -> None:
    with pytest.raises(ValueError, match=f"^must have 3 to 11 digits, not {length}$"):
        digits_of(text)


def test_a_search_for_a_whole_number_finds_no_other_one() -> None:
    with pytest.raises(ValueError, match=LAST):
        digits_of("7771234567.0")
