"""An OpenID Connect provider of somebody else's making, in a thread, and what the engine is told of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def provider(port: int = 0) -> Iterator[int]:
    """The provider on a port; each start has keys of its own."""
    # Imported here, for it takes half a second, and each process with tests imports all of them. Authlib has its
    # warnings shown always: they are the provider's business.
    with warnings.catch_warnings(record=True):
        from oidc_provider_mock import User, run_server_in_thread

    people = (
        User(sub="anna", claims={"preferred_username": "anna", "roles": ["it"]}),
        User(sub="oleg", claims={"preferred_username": "oleg", "roles": ["guests"]}),
    )
    with (
        patch.dict("os.environ", AUTHLIB_INSECURE_TRANSPORT="1"),  # its own, for http://
        run_server_in_thread(port, user_claims=people, require_nonce=True) as server,
    ):
        yield int(server.server_port)


def settings_for(port: int) -> dict[str, Any]:
    """The engine's settings: anna is an admin, and oleg is nobody."""
    settings = {"oidc_issuer": f"http://127.0.0.1:{port}", "oidc_client_id": "mailing", "oidc_client_secret": "any"}
    return {**settings, "oidc_roles": "it=admin"}
