"""The token with which the sandbox hands in what people answer: of the role provider, made by `scripts/run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from common import private
from scripts.processes import Failed, get

NAME: Final = "sandbox"
"""What the list of tokens calls it."""


def keep_provider_token(file: Path, gateway_url: str, token: str) -> None:
    """See that the file has a token that the service knows: the one that is there, or a new one.

    Args:
        file: where the sandbox reads it.
        gateway_url: without a path.
        token: an admin's.

    Raises:
        Failed: the service gives none, or the file can't be written.
    """
    api = f"{gateway_url}/api/v1"
    try:
        kept = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if kept and get(f"{api}/session", token=kept)[0] in (200, 403):  # it is known, whatever it may do
            return
        status, answer = get(f"{api}/tokens", token=token, body={"name": NAME, "role": "provider"})
        if status != 201:
            raise Failed(f"the sandbox can't hand in answers, it gets no token: {status} {answer.strip()}")
        private.write(file, json.loads(answer)["secret"])
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"can't keep the sandbox's token in {file}: {error}") from None
