"""``python -m engine providers check FILE``: what the providers' file says, or what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from common.settings import with_env_file
from common.terminal import say
from engine.provider.file import describe, read_providers
from engine.settings import Settings


async def check(settings: Settings, arguments: Mapping[str, Any]) -> int:
    """Print a line for each provider of the file; returns the exit code.

    Raises:
        BadSettings: with a line for each thing that is wrong.
    """
    environ = with_env_file(os.environ, Path(".env"))
    for each in read_providers(Path(arguments["file"]), environ, allow_plaintext=settings.allow_plaintext):
        say(describe(each))
    return 0


HANDLERS: Mapping[str, Callable[[Settings, Mapping[str, Any]], Awaitable[int]]] = {"providers check": check}
