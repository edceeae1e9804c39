from __future__ import annotations

import pytest

from engine.domain.stop_words import STOP_WORDS
from engine.domain.suppression import NOTE_CHARACTERS_MAX, SuppressionInput, SuppressionReason, reason_and_note


def test_the_numbers_in_the_database_stay_as_they_are() -> None:
    numbers = [(reason.name, int(reason)) for reason in SuppressionReason]
    assert numbers == [("OPT_OUT", 1), ("COMPLAINT", 2), ("INVALID", 3), ("MANUAL", 4)]


def test_an_entry_is_by_hand_unless_something_else_is_said() -> None:
    assert SuppressionInput(79161234567).reason is SuppressionReason.MANUAL


@pytest.mark.parametrize("reason", SuppressionReason)
def test_a_file_names_a_reason_as_the_contract_does(reason: SuppressionReason) -> None:
    for said in (reason.name, reason.name.lower(), f" {reason.name.title()} "):
        assert reason_and_note(said, "by e-mail") == (reason, "by e-mail")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        *((word, SuppressionReason.OPT_OUT) for word in STOP_WORDS),
        ("Отписка.", SuppressionReason.OPT_OUT),
        ("Просил не писать", SuppressionReason.OPT_OUT),
        ("Opt-out", SuppressionReason.OPT_OUT),
        ("жалоба", SuppressionReason.COMPLAINT),
        ("Номер  не существует", SuppressionReason.INVALID),
        ("Вручную", SuppressionReason.MANUAL),
    ],
)
def test_a_file_names_a_reason_as_people_do(said: str, reason: SuppressionReason) -> None:
    assert reason_and_note(said, "") == (reason, "")


def test_words_that_mean_no_reason_stay_in_the_note_and_the_number_on_the_list() -> None:
    assert reason_and_note(" умер ", "") == (SuppressionReason.MANUAL, "умер")
    assert reason_and_note("умер", "сказала жена") == (SuppressionReason.MANUAL, "умер: сказала жена")
    assert reason_and_note("", "сказала жена") == (SuppressionReason.MANUAL, "сказала жена")
    assert reason_and_note("  ", "") == (SuppressionReason.MANUAL, "")
    assert len(reason_and_note("у" * NOTE_CHARACTERS_MAX, "note")[1]) == NOTE_CHARACTERS_MAX
