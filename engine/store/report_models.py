"""The table of the daily reports; see ``models``."""

from __future__ import annotations

from tortoise import fields

from engine.store.table import Table


class Report(Table):
    """That the report of a day is mailed, or is to be."""

    day = fields.IntField(primary_key=True, generated=False)
    """The date as days since 1970-01-01."""
    due_us = fields.BigIntField()
    """When it is to be tried; of one that an engine has taken: until when the engine has it."""
    attempt = fields.IntField()
    """How often an engine has taken it."""
    sent_us = fields.BigIntField(null=True)
    recipients_left = fields.TextField(null=True)
    """Who has not got it yet, as a JSON list; ``None``: nobody has, or everybody."""

    class Meta:
        table = "report"
