"""Tortoise without its global state, for the models and for aerich's migrations: docs/decisions/tortoise.md.

Tortoise keeps its connections in a context variable. Two stores in one process would share that. So the models are
prepared once, and a migration makes its transaction the current context while it runs (``with context(tx.orm)``). Only
the description of the models is global.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pypika_tortoise.queries import Query, Table
from tortoise import Model
from tortoise.apps import Apps
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext

APP = "store"
CONFIG: dict[str, Any] = {
    "connections": {"default": "sqlite://:memory:"},
    "apps": {
        APP: {
            "models": [
                "engine.store.models",
                "engine.store.engine_models",
                "engine.store.access_models",
                "engine.store.event_models",
                "engine.store.report_models",
                "aerich.models",
            ],
            "default_connection": "default",
        }
    },
}
"""What aerich wants to know; the connection is replaced by ours (``migrate``)."""

_apps: Apps | None = None
_query_class: type[Query] | None = None


def prepare(client: BaseDBAsyncClient) -> Apps:
    """Prepare the models for the kind of database that ``client`` speaks to; it need not be connected.

    The kind is the process's: an engine has one. (Tests that use both open one after the other.)
    """
    global _apps, _query_class  # noqa: PLW0603 - Tortoise describes models on their classes, once a process
    if _apps is None:
        _apps = _load(client)
    if _query_class is not client.query_class:
        _query_class = client.query_class
        for model in _apps.apps[APP].values():
            meta = model._meta
            meta.basequery = _query_class.from_(meta.basetable)  # type: ignore[assignment]
            meta.basequery_all_fields = meta.basequery.select(*meta.db_fields)  # type: ignore[assignment]
    return _apps


def models() -> Iterable[type[Model]]:
    """The models, and aerich's; once they are prepared."""
    assert _apps is not None
    return _apps.apps[APP].values()


def context(client: BaseDBAsyncClient) -> TortoiseContext:
    """Tortoise's "current context" with ``client`` as its only connection, to be entered with ``with``."""
    context = TortoiseContext()
    context.connections._init_config(CONFIG["connections"])
    context.connections.set("default", client)
    context._apps = _apps
    context._inited = True
    return context


def _load(client: BaseDBAsyncClient) -> Apps:
    with context(client) as current:
        apps = Apps(CONFIG["apps"], current.connections, validate_connections=False)
        for model in apps.apps[APP].values():
            model._meta.finalise_model()
            model._meta.basetable = Table(name=model._meta.db_table, schema=model._meta.schema)
    return apps
