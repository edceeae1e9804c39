"""Wings: packages that add pages and routes to the gateway's application, and that the gateway does not know.

A wing says where its ``mount`` is in the entry points of its distribution, in the group ``mailing.gateway``. The
panel is a wing: it imports the gateway, and nothing here imports the panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Final, Protocol, cast

from aiohttp import web

from gateway.settings import Settings

GROUP: Final = "mailing.gateway"


class Mount(Protocol):
    """What a wing gives."""

    def __call__(self, app: web.Application, settings: Settings, rest: Sequence[web.RouteDef], /) -> None:
        """Add the wing to ``app``, which has all that ``gateway.keys`` names.

        Args:
            app: the gateway's application.
            settings: the gateway's settings.
            rest: the routes of REST but for the root and sign-in, with new handlers: a wing may offer them again
                below a path of its own.
        """


class NoWing(RuntimeError):
    """A wing that should be there is not installed."""


@cache  # looking through all that is installed takes longer than most that a start does
def mounts() -> tuple[Mount, ...]:
    """Load the wings that are installed.

    Raises:
        NoWing: not one is: the project was not installed, so that its entry points are unknown.
    """
    found = tuple(cast(Mount, entry.load()) for entry in entry_points(group=GROUP))
    if not found:
        raise NoWing("the panel is not installed: pip install --no-deps -e .")
    return found
