"""What the models are made of: Tortoise's ``Model``, without what a start would wait for."""

from __future__ import annotations

from typing import Any

from tortoise import Model
from tortoise.models import ModelMeta


class _TableMeta(ModelMeta):
    """Tortoise looks for comments that begin with ``#:`` in the source of each model. There are none, and to look takes
    80 ms of a start, nearly a tenth of it."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        """Make a model; its comments are not looked for."""
        return super().__new__(mcs, name, bases, {**attributes, "_no_comments": True})


class Table(Model, metaclass=_TableMeta):
    """The base of all models."""

    class Meta:
        abstract = True
