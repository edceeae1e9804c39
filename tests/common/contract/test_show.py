"""``python -m common.contract show`` prints what is compiled."""

from __future__ import annotations

import pytest

from common.contract.__main__ import main


def test_the_source_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["contract", "show", "Client"])
    assert main() == 0
    shown = capsys.readouterr().out
    assert '"phone_number": m.phone_number,' in shown
    assert 'phone_number=data.get("phone_number", ""),' in shown
    assert "tag_match(value) is None" in shown
    compile(shown, "shown", "exec")


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["show"], 2), (["show", "Colour"], 1)])
def test_what_it_can_not_print(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["contract", *arguments])
    assert main() == code
    assert capsys.readouterr().err
