"""Options made of the contract: one for each plain field that callers may write; what was not given is not sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

import typer
from google.protobuf.message import Message
from typer.main import get_command
from typer.testing import CliRunner

from cli.app import app as mailing
from cli.flags import Given, flags, names
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ListClientsRequest
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from mailing.v1.mailing_service_pb2 import ListMailingsRequest


def outcome(
    message: type[Message], *arguments: str, without: Collection[str] = (), called: Mapping[str, str] | None = None
) -> str:
    app = typer.Typer()

    @app.command()
    @flags(message.DESCRIPTOR, without, called or {})
    def show(where: Annotated[str, typer.Argument()], given: Given, times: int = 1) -> None:
        typer.echo(f"{where} {times} {sorted(given.items())}")

    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return (result.output or str(result.exception)).strip()


def test_what_is_given() -> None:
    assert outcome(Client, "here", "--tag", "", "--phone-code", "916", "--times", "2") == (
        "here 2 [('phone_code', '916'), ('tag', '')]"
    )
    assert outcome(ListClientsRequest, "here") == "here 1 []"


def test_choices_ids_and_times_are_as_the_contract_has_them() -> None:
    words = ("--kind", "Token", "--actor-id", "5", "--since", "2026-01-31T09:00:00+03:00")
    assert outcome(ListAuditEventsRequest, "here", *words, called={"actor_kind": "kind", "since_time": "since"}) == (
        "here 1 [('actor_id', 5), ('actor_kind', 2), ('since_time', seconds: 1769839200\n)]"
    )
    assert "is not one of account, token" in outcome(ListAuditEventsRequest, "here", "--actor-kind", "king")
    assert "Invalid value for '--actor-id'" in outcome(ListAuditEventsRequest, "here", "--actor-id", "0")
    assert "--since-time: 'then' is no time" in outcome(ListAuditEventsRequest, "here", "--since-time", "then")


def test_a_flag_needs_no_value_and_is_not_sent_unless_given() -> None:
    assert outcome(ListMailingsRequest, "here", "--archived") == "here 1 [('archived', True)]"
    assert outcome(ListMailingsRequest, "here") == "here 1 []"
    assert "unexpected extra argument" in outcome(ListMailingsRequest, "here", "--archived", "true")
    assert "--no-archived" not in outcome(ListMailingsRequest, "--help")


def test_help_names_options_and_choices_and_no_default_of_a_filter() -> None:
    called = {"actor_kind": "kind"}
    shown = " ".join(outcome(ListAuditEventsRequest, "--help", called=called).replace("│", " ").split())
    assert "One of account, token, command, system or nobody." in shown
    assert "needs --kind." in shown
    assert "any" not in shown


def test_what_is_no_option() -> None:
    """What only the engine writes, what turns pages, what is for gRPC only, and what the command has left out."""
    for flag in ("--id", "--page-size", "--page-token", "--phone-contains", "--order-by", "--create-time"):
        assert "No such option" in outcome(ListClientsRequest, "here", flag, "1")
    assert "No such option" in outcome(Client, "here", "--tag", "x", without=("tag",))


def test_help_is_the_contract_s_comment() -> None:
    assert "A free label; may be empty." in outcome(Client, "--help")


def test_names() -> None:
    assert names(Client.DESCRIPTOR) == "--phone-number, --phone-code, --tag, --time-zone, --language or --attribute"


def test_help_of_every_command_is_for_people_at_a_terminal() -> None:
    """No word of the contract, which they do not have before them."""
    checked = 0
    for command in commands(get_command(mailing)):
        for each in command.params:
            words = getattr(each, "help", None) or ""
            assert not re.search(r"`[A-Z]|`\w*[._]\w*`|[A-Z][a-z]+\.[a-z]+_?|update_mask|nspecified|AIP-", words), (
                each.name
            )
            checked += bool(words)
    assert checked > 60


def commands(command: Any) -> Iterator[Any]:
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from commands(each)
