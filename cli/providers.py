"""Providers, one at a time."""

from __future__ import annotations

import typer

from cli.trying import try_provider

app = typer.Typer(help="The providers that send the texts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The providers that send the texts."""


app.command("test")(try_provider)
