"""How calls are marked that are parts of one import, in gRPC's metadata."""

from __future__ import annotations

from typing import Final

PART_OF: Final = "x-import-part-of"
"""The same text in each part, made up by whoever imports."""
