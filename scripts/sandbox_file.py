"""The providers' file of a run with several sandbox providers; see ``MAILING_PROVIDERS``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from common import private
from scripts.sandbox_names import NAMES, base_of, token_of

_HEAD: Final = """\
# Made by scripts/run: the sandbox's providers, in the order in which messages go to them.
# A message that one of them certainly has not taken goes to the next; docs/behaviour.md, section 14.
"""


def write_providers(file: Path, sandbox_url: str, count: int, rate: float) -> dict[str, str]:
    """Write the file; return what the engine's environment needs for it.

    Args:
        file: where to.
        sandbox_url: without a path.
        count: of providers.
        rate: of each, messages a second; 0: no limit.
    """
    environ = {"MAILING_PROVIDERS": str(file)}
    tables = [_HEAD]
    for nth, name in enumerate(NAMES[:count]):
        variable = f"SANDBOX_TOKEN_{name.upper()}"
        environ[variable] = token_of(nth)
        lines = [
            "[[provider]]",
            f'name = "{name}"',
            'kind = "fbrq"',
            f"order = {nth + 1}",
            f'url = "{sandbox_url}{base_of(nth)}/v1"',
            f'secrets.token = "{variable}"',
            f"rate = {rate:g}",
        ]
        tables.append("\n".join([*lines, ""]))
    private.write(file, "\n".join(tables))
    return environ
