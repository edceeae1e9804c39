r"""Invariant: a text made for a client is the template's own pieces, in their order, with values between them that are
never read again; or there is no text, and it is said what lacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.reader import fields_of
from common.error_codes import Unfit
from common.shown import shows
from engine.domain.segments import SURE_LENGTH, count_segments
from engine.domain.template import LENGTH_MAX, Values, in_words, parse_template, template_of
from mailing.v1 import mailing_pb2

SEGMENTS_MAX = 10
UNSEEN = " \t\n\x85\xa0\xad\u034f\u115f\u200b\u200d\u2028\u2060\u2800\u3000\u3164\ufe0f\ufeff\U000e0020"
names = st.from_regex("[a-z][a-z0-9_]{0,31}", fullmatch=True).filter(lambda name: name not in ("id", "phone_code"))
texts = st.text(st.characters(codec="utf-8"), max_size=30)
hostile = st.one_of(texts, st.sampled_from(["{{name}}", "\\{{", "}}", "{{", "{", "|", "\ufeff", "%s", "\\", "😀"]))


def person(tag: str = "new", **attributes: object) -> Values:
    return {**attributes, "tag": tag, "phone_number": 79161234567}


def text_for(text: str, who: Values) -> str:
    filled = parse_template(text).fill(who, SEGMENTS_MAX)
    assert not filled.lack
    return filled.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello!", "Hello!"),
        ("Hello, {{name}}!", "Hello, Anna!"),
        ("{{ name }}", "Anna"),
        ("{{name}}{{name}}", "AnnaAnna"),
        ("{{first|dear {friend}|}}!", "dear {friend}|!"),
        ("{{ first | dear friend }}", "dear friend"),
        ("{{name|dear}}", "Anna"),
        ("a{{first|}}b", "ab"),
        ("a{{empty|b}}c", "abc"),
        ("{{phone_number}} {{tag}}", "79161234567 new"),
        (r"\{{name}} is {{name}}", "{{name}} is Anna"),
        (r"\\{{", r"\{{"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("{{sum}} {{rate}} {{vip}} {{off}}", "120 0.5 true false"),
        ("\n{{first|a\nb}}\n", "\na\nb\n"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert text_for(text, person(name="Anna", sum=120.0, rate=0.5, vip=True, off=False, empty="")) == expected


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ("Hello, {{name", "PLACEHOLDER_OPEN", "8"),
        ("{{name}", "PLACEHOLDER_OPEN", "1"),
        (r"\{{ {{", "PLACEHOLDER_OPEN", "5"),
        ("a {{name|{{other}}}}", "PLACEHOLDER_INSIDE", "3"),
        ("{{}}", "PLACEHOLDER_NAME", "1"),
        ("{{name}} {{Name}}", "PLACEHOLDER_NAME", "10"),
        ("{{{name}}}", "PLACEHOLDER_NAME", "1"),
        ("{{имя}}", "PLACEHOLDER_NAME", "1"),
        ("{{first name}}", "PLACEHOLDER_NAME", "1"),
        ("{{1st}}", "PLACEHOLDER_NAME", "1"),
        ("{{id}}", "PLACEHOLDER_NAME", "1"),
        ("{{phone_code}}", "PLACEHOLDER_NAME", "1"),
        ("{{time_zone|UTC}}", "PLACEHOLDER_NAME", "1"),
        ("{{" + "a" * 33 + "}}", "PLACEHOLDER_NAME", "1"),
    ],
)
def test_what_is_no_placeholder_is_told_with_its_position(text: str, code: str, position: str) -> None:
    with pytest.raises(Unfit) as caught:
        parse_template(text)
    assert (caught.value.fault.code, caught.value.fault.arguments["position"]) == (code, position)
    assert f"character {position}" in caught.value.fault


def test_a_stored_text_that_is_no_template_goes_out_as_it_stands() -> None:
    assert template_of("50% off {{ today").plain == "50% off {{ today"
    assert template_of(r"\{{").plain == "{{"
    assert not template_of("plain").is_personal
    assert template_of("{{name}}").is_personal


def test_names_in_the_order_of_the_text() -> None:
    template = parse_template("{{b}} {{a|x}} {{b|y}} {{tag}}")
    assert template.names == ("b", "a", "tag")
    assert template.needed == ("b", "tag")


def test_a_lack_names_all_that_lacks_once() -> None:
    template = parse_template("{{name}} {{city}} {{city}} {{name}} {{tag}} {{first|x}}")
    filled = template.fill(person(tag="", name=""), SEGMENTS_MAX)
    assert filled == ("", {}, "the client lacks name, city, tag", ("name", "city", "tag"))


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        ("{{name|}}", "the text is empty for this client"),
        ("{{long}}", "the text takes 11 SMS segments for this client, and may take 10"),
        ("{{long}}" * 7, "the text has 4697 characters for this client, and may have 4096"),
    ],
)
def test_a_text_that_can_not_be_sent(text: str, lack: str) -> None:
    assert parse_template(text).fill(person(long="я" * 671), SEGMENTS_MAX) == ("", {}, lack, ())


def test_a_long_text_that_fits() -> None:
    assert text_for("{{long}}", person(long="я" * 670)) == "я" * 670
    assert parse_template("{{long}}").fill(person(long="я" * 4096), 100).text == "я" * 4096


@given(st.text(UNSEEN) | st.sampled_from(["", " ", "   ", "\u200b", "\xa0\n"]))
def test_no_placeholder_is_filled_by_nothing_that_is_seen(blank: str) -> None:
    """Not an attribute's and not the tag's, stored as it is; the fallback stands instead, or there is no text."""
    for name in ("name", "tag"):
        who = {**person(), name: blank}
        lack: tuple[object, ...] = ("", {}, f"the client lacks {name}", (name,))
        assert parse_template(f"Hi {{{{{name}}}}}!").fill(who, SEGMENTS_MAX) == lack
        assert parse_template(f"{{{{{name}}}}}").fill(who, SEGMENTS_MAX) == lack
        assert parse_template(f"Hi, {{{{{name}|friend}}}}!").fill(who, SEGMENTS_MAX) == ("Hi, friend!", {}, "", ())
        empty = parse_template(f"{blank}{{{{{name}|}}}}").fill(who, SEGMENTS_MAX)
        assert empty == ("", {}, "the text is empty for this client", ())


def test_what_went_out_with_spaces_is_shown_with_them() -> None:
    assert parse_template("Hi {{name|friend}}!").with_values({"name": "  "}) == "Hi   !"


def test_the_values_that_were_put_in_make_the_same_text_again() -> None:
    template = parse_template("{{name|friend}} {{city|Omsk}} {{sum}} {{phone_number}}")
    filled = template.fill(person(name="Anna", sum=1.5, other="x"), SEGMENTS_MAX)
    assert filled.values == {"name": "Anna", "sum": "1.5", "phone_number": "79161234567"}
    assert template.with_values(filled.values) == filled.text == "Anna Omsk 1.5 79161234567"
    assert template.with_values({"name": "Anna"}) == "Anna Omsk {{sum}} {{phone_number}}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (-5, "-5"),
        (120.0, "120"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


@given(st.lists(st.tuples(texts, names), max_size=5), texts, st.dictionaries(names, hostile))
def test_no_value_is_read_again(pairs: list[tuple[str, str]], end: str, attributes: dict[str, str]) -> None:
    """Whatever a value holds, it stands in the text as it is, between the pieces as they are."""
    plain = str.maketrans({"{": "(", "\\": "/", "\ufeff": ""})
    pieces, end = [(literal.translate(plain), name) for literal, name in pairs], end.translate(plain)
    template = parse_template("".join(literal + "{{" + name + "|?}}" for literal, name in pieces) + end)
    values = {**attributes, "tag": "", "phone_number": "79161234567"}
    as_it_was = "".join(literal + (values.get(name) or "?") for literal, name in pieces) + end
    assert template.with_values(values) == as_it_was.lstrip("\ufeff")
    shown = {name: value for name, value in values.items() if shows(value)}
    expected = "".join(literal + shown.get(name, "?") for literal, name in pieces) + end
    filled = template.fill(values, 1000)
    assert filled.text == ("" if filled.lack else expected.lstrip("\ufeff"))
    assert bool(filled.lack) == (not shows(expected))
    assert filled.text.encode().decode() == filled.text


@given(st.lists(hostile, max_size=40), st.integers(1, 4))
def test_a_text_beyond_the_limits_is_never_made(values: list[str], segments_max: int) -> None:
    attributes = {f"a{index}": value * (1 + index % 9) for index, value in enumerate(values)}
    template = parse_template("Hi " + "".join("{{" + name + "|-}}" for name in attributes))
    text, _, lack, _ = template.fill(attributes, segments_max)
    whole = template.with_values({name: value for name, value in attributes.items() if shows(value)})
    assert bool(lack) == (len(whole) > LENGTH_MAX or count_segments(whole).segments > segments_max)
    assert text == ("" if lack else whole)


@given(st.text(st.sampled_from("\\{}|a ")))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    """And a template of which nothing is a placeholder is the text itself, but for what stands for ``{{``."""
    try:
        template = parse_template(text)
    except Unfit:
        assert "{{" in text
        return
    if not template.is_personal:
        assert template.plain == text.replace(r"\{{", "{{")


@given(st.integers(0, 5000), st.integers(1, 40), st.sampled_from("a€я😀"))
def test_what_surely_fits_fits(length: int, segments_max: int, character: str) -> None:
    if length <= SURE_LENGTH * segments_max:
        assert count_segments(character * length).segments <= segments_max


def test_reading_takes_time_in_proportion_to_the_text() -> None:
    """A text of placeholders that all fail late would take minutes if each were searched to the end of the text."""
    assert len(parse_template("{{a|" + "}{" * 500_000 + "}}").holes) == 1
    assert len(parse_template("{{a|x}}" * 200_000).holes) == 200_000


def test_the_length_is_the_contracts() -> None:
    (text,) = [field for field in fields_of(mailing_pb2.Mailing.DESCRIPTOR) if field.name == "text"]
    assert text.rules.length_max == LENGTH_MAX
