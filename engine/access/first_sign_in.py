"""Where the operator finds the password and the token that the engine has made at its first start.

A terminal shows them and forgets. What is no terminal keeps what it gets (``docker logs``, the journal, a file), for
whoever may read it: so there the secrets go into a file of their own, and only its name is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TextIO

from common.private_file import check_private, write_private
from engine.access.seeding import ACCOUNT_NAME, Made

FILE: Final = "first-sign-in.env"
"""``mailing`` looks for it in the data folder (gateway/cli/credentials.py)."""
_HEADER: Final = (
    f"# Made by python -m engine at its first start: the password of the account `{ACCOUNT_NAME}`, and an API token.\n"
    "# Nothing of the service needs this file: keep them elsewhere, and delete it.\n"
)


class FirstSignIn:
    """Shows what was made, on a terminal or in a file."""

    def __init__(self, given: Path | None, database_url: str, out: TextIO) -> None:
        """``given``: the setting; without it the file is beside a SQLite file, else in ``data/``."""
        kind, _, path = database_url.partition("://")
        self.file = given or (Path(path).parent if kind == "sqlite" else Path("data")) / FILE
        self._out = out

    def check(self) -> None:
        """Raise OSError, before anything is made, where it could not be kept: a secret nobody has seen is of no use."""
        if self._out.isatty():
            return
        try:
            check_private(self.file)
        except OSError as error:
            raise OSError(
                f"can't keep the first password and token in {self.file}: {error.strerror or error}; set "
                "MAILING_SIGN_IN_FILE, or MAILING_ADMIN_PASSWORD and MAILING_API_TOKEN"
            ) from None

    def show(self, made: Made) -> None:
        """Tell the operator, once."""
        lines = made.lines()
        if lines and not self._out.isatty():
            write_private(self.file, _HEADER + "".join(f"{name}={value}\n" for name, value in made.variables().items()))
            lines = [
                f"The first sign-in was made; it is kept in {self.file.absolute()}, which only its owner can read."
            ]
        for line in lines:
            print(line, file=self._out, flush=True)
