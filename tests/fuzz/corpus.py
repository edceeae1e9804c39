"""Inputs that are kept, a file each under ``corpus/<edge>/`` and tried in each run; words to make new ones with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

FOLDER: Final = Path(__file__).parent / "corpus"
_WORDS: Final = Path(__file__).parent / "words"
_EDITS_MAX: Final = 4


def kept(target: str) -> dict[str, bytes]:
    """The kept inputs of a target, by their files' names."""
    folder = FOLDER / target
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())} if folder.is_dir() else {}


def keep(target: str, data: bytes) -> Path:
    """Keep an input; return where. The file's name follows from what is in it."""
    file = FOLDER / target / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def words(target: str) -> tuple[bytes, ...]:
    """Pieces that mean something to a target: a line each of ``words/<edge>``, with Python's escapes for bytes."""
    lines = (_WORDS / target).read_text(encoding="ascii").splitlines()
    return tuple(line.encode().decode("unicode_escape").encode("latin-1") for line in lines)


@st.composite
def edited(draw: st.DrawFn, seeds: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    """One of ``seeds`` with a few pieces cut out, doubled, or replaced by one of ``pieces`` or by any bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, _EDITS_MAX))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 8)))
        put = draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=4), st.just(data[begin:end] * 2)))
        data = data[:begin] + put + data[end:]
    return data
