from __future__ import annotations

from engine.domain.suppression import SuppressionInput, SuppressionReason


def test_the_numbers_in_the_database_stay_as_they_are() -> None:
    numbers = [(reason.name, int(reason)) for reason in SuppressionReason]
    assert numbers == [("OPT_OUT", 1), ("COMPLAINT", 2), ("INVALID", 3), ("MANUAL", 4)]


def test_an_entry_is_by_hand_unless_something_else_is_said() -> None:
    assert SuppressionInput(79161234567).reason is SuppressionReason.MANUAL
