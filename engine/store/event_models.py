"""The tables of what is told to others, as Tortoise and aerich know them; see ``models.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise import fields

from engine.store.table import Table

if TYPE_CHECKING:
    from engine.store.models import Provider


class ProviderDown(Table):
    """An engine whose breaker is not closed for a provider. Rows of engines that are no more count for nothing."""

    id = fields.BigIntField(primary_key=True)
    provider: fields.ForeignKeyRelation[Provider] = fields.ForeignKeyField("store.Provider", on_delete=fields.CASCADE)
    engine_id = fields.BigIntField()

    class Meta:
        table = "provider_down"
        unique_together = (("provider", "engine_id"),)


class Outbox(Table):
    """What has happened, in the transaction that made it so. Soon afterwards it is moved to ``Event``, which has an
    order that readers can rely on."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(32)
    """``domain.events.EventKind``."""
    stream = fields.BigIntField(null=True)
    """Events of one stream are told in order: a mailing's id, or minus a provider's; ``None``: it has no order."""
    time_us = fields.BigIntField()
    data = fields.TextField()
    """A JSON object."""

    class Meta:
        table = "outbox"


class Event(Table):
    """What has happened, in the order in which everybody sees it."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(32)
    time_us = fields.BigIntField()
    data = fields.TextField()

    class Meta:
        table = "event"


class Webhook(Table):
    """An address that wants to be told of events."""

    id = fields.BigIntField(primary_key=True)
    url = fields.TextField()
    kinds = fields.TextField()
    """Of events, with spaces between them."""
    active = fields.BooleanField()
    secret = fields.TextField()
    """What its calls are signed with: ``whsec_…``."""
    create_us = fields.BigIntField()
    update_us = fields.BigIntField()

    class Meta:
        table = "webhook"


class WebhookDelivery(Table):
    """One webhook x one event."""

    id = fields.BigIntField(primary_key=True)
    webhook: fields.ForeignKeyRelation[Webhook] = fields.ForeignKeyField("store.Webhook", on_delete=fields.CASCADE)
    event: fields.ForeignKeyRelation[Event] = fields.ForeignKeyField("store.Event", on_delete=fields.CASCADE)
    stream = fields.BigIntField(null=True)
    state = fields.SmallIntField()
    """``domain.webhook.DeliveryState``."""
    due_us = fields.BigIntField()
    """When to try; while an engine tries: when its lease is over."""
    attempts = fields.IntField(default=0)
    """The one under way included."""
    create_us = fields.BigIntField()
    last_us = fields.BigIntField(null=True)
    """When the last attempt ended."""
    http_status = fields.IntField(null=True)
    answer = fields.TextField(default="")
    """The begin of the last answer, or why there was none."""

    class Meta:
        table = "webhook_delivery"
