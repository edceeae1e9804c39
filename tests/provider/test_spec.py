"""What a provider's rate counts."""

from __future__ import annotations

import pytest

from engine.domain.segments import count_segments
from engine.provider.spec import RateUnit

TEXTS = ["", "Hello", "x" * 160, "x" * 161, "ю" * 70, "ю" * 71, "x" * 4096]


@pytest.mark.parametrize("text", TEXTS)
def test_a_rate_counts_messages_or_their_segments(text: str) -> None:
    assert RateUnit.MESSAGES.tokens(text) == 1
    assert RateUnit.SEGMENTS.tokens(text) == max(1, count_segments(text).segments)
