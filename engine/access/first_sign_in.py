"""Where the operator finds the password and the token that the engine has made at its first start.

They are printed once. A container's output is kept for whoever may read it (``docker logs``): there the setting
``MAILING_SIGN_IN_FILE`` names a file for them, and only its name is printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TextIO

from common import private
from engine.access.seeding import ACCOUNT_NAME, Made

_HEADER: Final = (
    f"# Made by python -m engine at its first start: the password of the account `{ACCOUNT_NAME}`, and an API token.\n"
    "# Nothing of the service needs this file: keep them elsewhere, and delete it.\n"
)


class FirstSignIn:
    """Shows what was made: prints it, or keeps it in a file."""

    def __init__(self, file: Path | None, out: TextIO) -> None:
        """``file``: the setting; ``None``: it is printed."""
        self._file, self._out = file, out

    def check(self) -> None:
        """Raise OSError, before anything is made, where it could not be kept: a secret nobody has seen is of no use."""
        if self._file is None:
            return
        try:
            private.check_write(self._file)
        except OSError as error:
            raise OSError(
                f"can't keep the first password and token in {self._file}: {error.strerror or error}; set another "
                "MAILING_SIGN_IN_FILE, or MAILING_ADMIN_PASSWORD and MAILING_API_TOKEN"
            ) from None

    def show(self, made: Made) -> None:
        """Tell the operator, once."""
        lines = made.lines()
        if lines and self._file is not None:
            kept = "".join(f"{name}={value}\n" for name, value in made.variables().items())
            private.write(self._file, _HEADER + kept)
            lines = [
                f"The first sign-in was made; it is kept in {self._file.absolute()}, which only its owner can read."
            ]
        for line in lines:
            print(line, file=self._out, flush=True)
