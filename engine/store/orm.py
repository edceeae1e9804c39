"""Tortoise without its global state: the models are prepared once, connections are passed in.

Tortoise keeps the connections of "the current context" in a context variable, which a gRPC handler
does not have and which two stores in one process would share. So whoever uses a model makes his
transaction the current context for just that (``with orm.context(tx.orm)``), and all that is global
is the models' own description.
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
    "apps": {APP: {"models": ["engine.store.models", "aerich.models"], "default_connection": "default"}},
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
