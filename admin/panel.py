"""The panel in the gateway's application: aiohttp-admin's resources and bundle, our page, and REST by the session."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Final

import aiohttp_admin
from aiohttp import web
from aiohttp_admin.types import UserDetails

from admin import index, oidc, sign_in
from admin.permissions import permissions_of
from admin.resources.accounts import AccountResource
from admin.resources.audit import AuditResource
from admin.resources.base import PanelResource
from admin.resources.clients import ClientResource
from admin.resources.dashboard import DashboardResource
from admin.resources.engine import EngineResource
from admin.resources.mailings import MailingResource
from admin.resources.messages import MessageResource
from admin.resources.suppressions import SuppressionResource
from admin.resources.tokens import TokenResource
from admin.secret import panel_secret
from admin.session import PATH, Person, Sessions, key_of
from gateway.http.admission import whom_to_admit
from gateway.http.keys import ENGINE
from gateway.http.limits import CallerRates
from gateway.settings import Settings

RESOURCES: Final[Sequence[type[PanelResource]]] = (
    DashboardResource,
    MailingResource,
    ClientResource,
    MessageResource,
    SuppressionResource,
    EngineResource,
    AuditResource,
    AccountResource,
    TokenResource,
)
"""In the order of the panel's menu."""


def mount(app: web.Application, settings: Settings, rest: Iterable[web.RouteDef]) -> None:
    """Add the panel to the gateway's application (``gateway.wings``).

    Its pages call ``rest``, REST's own routes, below ``/admin`` with the panel's session, so that REST's rules hold
    there as well.
    """
    key = key_of(panel_secret(settings))
    sessions = Sessions(key, secure=settings.uses_tls, rates=CallerRates(settings.http_token_rate))
    app.router.add_routes(index.routes(settings.confirm_above))
    app.router.add_routes(sign_in.routes(sessions))
    app.router.add_routes(oidc.routes(sessions))
    for route in rest:
        guarded = sessions.guarded(route.handler, whom_to_admit(route.handler))
        app.router.add_route(route.method, PATH + route.path, guarded)
    resources = [kind(app[ENGINE], sessions) for kind in RESOURCES]
    # aiohttp-session, aiohttp-security and aiohttp-admin name things in requests by strings, as they always have.
    warnings.filterwarnings("ignore", category=web.NotAppKeyWarning)
    aiohttp_admin.setup(
        app,
        {
            "view": {"name": "Mailing Service"},
            "security": {"check_credentials": _refuse, "identity_callback": _details},
            "resources": [{"model": resource} for resource in resources],
        },
        path=PATH,
        secret=key,
    )
    app.on_response_prepare.append(index.on_prepare)


async def _refuse(_name: str, _password: str) -> bool:
    """aiohttp-admin's own sign-in is never reached: ours has its path (``admin.sign_in``)."""
    return False


async def _details(identity: str) -> UserDetails:
    person = Person.of(identity)
    return {"fullName": person.name, "permissions": permissions_of(person.role)}
