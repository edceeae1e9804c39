"""Options made of the contract: one for each text that callers may write; what was not given is not sent."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.testing import CliRunner

from cli.flags import Given, flags, names
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ListClientsRequest


def outcome(message: type[Client] | type[ListClientsRequest], *arguments: str, without: tuple[str, ...] = ()) -> str:
    app = typer.Typer()

    @app.command()
    @flags(message.DESCRIPTOR, without)
    def show(where: Annotated[str, typer.Argument()], given: Given, times: int = 1) -> None:
        typer.echo(f"{where} {times} {sorted(given.items())}")

    return CliRunner().invoke(app, arguments).output.strip()


def test_what_is_given() -> None:
    assert outcome(Client, "here", "--tag", "", "--phone-code", "916", "--times", "2") == (
        "here 2 [('phone_code', '916'), ('tag', '')]"
    )
    assert outcome(ListClientsRequest, "here") == "here 1 []"


def test_what_is_no_option() -> None:
    """What only the engine writes, what turns pages, what is for gRPC only, and what the command has left out."""
    for flag in ("--id", "--page-size", "--page-token", "--phone-contains", "--order-by", "--create-time"):
        assert "No such option" in outcome(ListClientsRequest, "here", flag, "1")
    assert "No such option" in outcome(Client, "here", "--tag", "x", without=("tag",))


def test_help_is_the_contract_s_comment() -> None:
    assert "A free label; may be empty." in outcome(Client, "--help")


def test_names() -> None:
    assert names(Client.DESCRIPTOR) == "--phone-number, --phone-code, --tag, --time-zone, --language or --attribute"
