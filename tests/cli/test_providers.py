"""What the command says of providers: how each does, what it said of a message, and what it delivered."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from mailing.v1 import mailing_service_pb2
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("providers list", ["fbrq", "50 of 50", "25%", "21 failures in a row", "acme", "30/s segments", "75%", "2.50"]),
        ("engine status", ["each provider has its own", "acme", "30/s segments"]),
        ("messages get 5000000001", ["acme", "fbrq as at-the-provider", "undelivered"]),
        ("mailing get 7", ["provider", "beta", "sender", "SHOP"]),
        ("mailing stats 7", ["3,900 did, 20 did not, 70 not known yet", "half ≤ 2.10 s, 95 % ≤ 9.50 s"]),
        ("messages list --mailing 7 --delivery undelivered", ["not sent, undelivered"]),
    ],
)
def test_providers_are_named(run: Run, command: str, shown: list[str]) -> None:
    code, out, err = run(*command.split())
    assert (code, err) == (0, "")
    assert [words for words in shown if words not in out] == []


def test_the_list_is_that_of_the_rest_api(run: Run) -> None:
    found = json.loads(run("providers", "list", "--json")[1])
    assert [(each["name"], each["breaker"]["state"], each["rate_limit"]) for each in found["providers"]] == [
        ("fbrq", "open", None),
        ("acme", "closed", 30.0),
    ]


def test_the_status_of_an_answer_is_said_once(run: Run) -> None:
    for command in (["messages", "list"], ["messages", "get", "5000000001"]):
        out = run(*command)[1]
        assert "HTTP 400: bad phone" in out
        assert "400 HTTP" not in out


@pytest.mark.parametrize("name", ["provider", "sender"])
def test_what_a_mailing_wishes_of_its_provider(run: Run, script: Script, name: Literal["provider", "sender"]) -> None:
    run("mailing", "create", "--text", "x")
    assert not script.last(mailing_service_pb2.CreateMailingRequest).mailing.HasField(name)
    run("mailing", "preview", "--text", "x", f"--{name}", "beta")
    assert getattr(script.last(mailing_service_pb2.PreviewMailingRequest).mailing, name) == "beta"
    for given in ("beta", ""):
        run("mailing", "edit", "7", f"--{name}", given)
        request = script.last(mailing_service_pb2.UpdateMailingRequest)
        assert list(request.update_mask.paths) == [name]
        assert (request.mailing.HasField(name), getattr(request.mailing, name)) == (bool(given), given)
