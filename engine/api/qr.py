"""A text as a QR code, for a camera."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import segno

_QUIET_MODULES: Final = 4
"""The white edge that readers need."""


def qr_code(text: str) -> str:
    """An SVG picture, black on white whatever the page's colours are, that grows with the place it is given."""
    out = BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, nl=False, light="white", border=_QUIET_MODULES, omitsize=True
    )
    return out.getvalue().decode()
