"""A text that is sent to be tried, by the command."""

from __future__ import annotations

import json

from mailing.v1 import mailing_service_pb2
from mailing.v1 import test_text_pb2 as contract
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script

NUMBER, BAD = "79160000001", "79160000002"


def test_what_is_asked_of_the_engine(run: Run, script: Script) -> None:
    code, out, _ = run("mailing", "test", "--text", "Hi {{name}}", "--to", NUMBER, "--to", "8 916", "--client", "7")
    request = script.last(contract.TestMailingRequest)
    assert (request.text, list(request.phone_numbers), request.client_id) == ("Hi {{name}}", [NUMBER, "8 916"], 7)
    assert len(request.request_id) == 36
    assert code == 0
    assert "sent, 1 segment" in out


def test_one_provider_is_tried(run: Run, script: Script) -> None:
    code, out, _ = run("providers", "test", "acme", "--to", NUMBER)
    request = script.last(contract.TestMailingRequest)
    assert (request.provider, request.text, list(request.phone_numbers)) == ("acme", "A test text", [NUMBER])
    assert code == 0
    assert "sent, 1 segment" in out
    run("mailing", "test", "--text", "Hi", "--to", NUMBER)
    assert not script.last(contract.TestMailingRequest).HasField("provider")


def test_somebody_who_did_not_get_it_is_a_failure(run: Run, script: Script) -> None:
    script.refused[BAD] = "HTTP 400"
    numbers = ("--to", NUMBER, "--to", BAD)
    code, out, err = run("mailing", "test", "--text", "Hi", *numbers)
    assert code == 1
    assert "sent, 1 segment" in out
    assert "not sent: HTTP 400" in out
    assert "1 of 2 numbers" in err
    code, out, err = run("mailing", "test", "--text", "Hi", *numbers, "--json")
    assert code == 1
    assert [each["status"] for each in json.loads(out)["results"]] == ["sent", "not_sent"]


def test_a_mailing_is_registered_only_if_the_test_went_well(run: Run, script: Script) -> None:
    code, _, _ = run("mailing", "create", "--text", "Hi", "--test", NUMBER, "--test-client", "7")
    assert code == 0
    assert script.last(contract.TestMailingRequest).client_id == 7
    assert script.last(mailing_service_pb2.CreateMailingRequest).mailing.text == "Hi"
    script.refused[BAD] = "HTTP 400"
    script.requests.clear()
    code, _, err = run("mailing", "create", "--text", "Hi", "--test", BAD)
    assert code == 1
    assert f"{BAD}: not sent: HTTP 400" in err
    assert "so the mailing is not registered" in err
    assert [type(each) for each in script.requests] == [contract.TestMailingRequest]
