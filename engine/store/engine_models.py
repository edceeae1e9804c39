"""The tables of engines and of what they agree on; see ``models``."""

from __future__ import annotations

from tortoise import fields

from engine.store.table import Table


class Engine(Table):
    """A process that sends."""

    id = fields.BigIntField(primary_key=True)
    name = fields.TextField()
    started_us = fields.BigIntField()
    heartbeat_us = fields.BigIntField()
    seen_revision = fields.BigIntField(default=0)
    workers = fields.IntField()
    in_flight = fields.IntField(default=0)

    class Meta:
        table = "engine"


class ControlRecord(Table):
    """What all engines agree on: one row, id 1."""

    id = fields.SmallIntField(primary_key=True, generated=False)
    revision = fields.BigIntField(default=0)
    sending_paused = fields.BooleanField(default=False)
    workers = fields.IntField(null=True)
    provider_rate = fields.FloatField(null=True)
    clock_us = fields.BigIntField(default=0)
    """The latest time that an engine has seen; a clock that is behind it has stepped back."""
    number_key = fields.CharField(64, default="")
    """The key of the hashes in ``told``, in hex."""
    held_us = fields.BigIntField(null=True)
    """It is a copy, and sends nothing since then, until somebody resumes sending; ``None``: it is not held."""
    copied_us = fields.BigIntField(null=True)
    """It was copied then, and no engine has run on the copy yet."""
    home = fields.TextField(default="")
    """Where an engine ran on it last (PostgreSQL): somewhere else it is a copy. Empty: nobody knows."""

    class Meta:
        table = "control"
