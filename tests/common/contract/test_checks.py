"""What is beyond the limits of the contract is found: where, which kind of error, and the values in its sentence."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from common.contract.checks import check_of, has_rules
from common.error_codes import ErrorCode
from mailing.v1 import access_service_pb2, client_pb2, client_service_pb2, engine_service_pb2, mailing_pb2
from tests.common.contract.test_reader import FIELDS

NOW = Timestamp(seconds=1)


def found(message: Message) -> dict[str, tuple[str, dict[str, Any]]]:
    return {path: (code, dict(values)) for path, code, values in check_of(type(message))(message)}


def mailing(**fields: Any) -> mailing_pb2.Mailing:
    return mailing_pb2.Mailing(**{"text": "Hi", "start_time": NOW, "end_time": NOW, **fields})


def test_what_is_good() -> None:
    assert found(client_pb2.Client(phone_number="79161234567", phone_code="", tag="x" * 64)) == {}
    assert found(mailing(rate_limit=100_000, on_uncertain=2)) == {}
    assert found(client_service_pb2.ImportClientsRow(phone_number="7")) == {}
    assert found(engine_service_pb2.UpdateEngineRequest()) == {}


def test_all_that_is_bad_is_found() -> None:
    hours = mailing_pb2.LocalHours(to="24:00")
    setattr(hours, "from", "09:00")
    bad = mailing_pb2.Mailing(
        text="x" * 4097,
        filter=mailing_pb2.AudienceFilter(tags=["ok", "x" * 65, "\0"], phone_codes=["1"] * 1001),
        start_time=NOW,
        local_hours=hours,
        rate_limit=0,
        on_uncertain=77,  # type: ignore[arg-type]  # a number that is none of its values
    )
    assert found(bad) == {
        "text": ("BAD_LENGTH", {"min": 1, "max": 4096, "count": 4097}),
        "filter.tags[1]": ("TOO_LONG", {"max": 64, "count": 65}),
        "filter.tags[2]": ("NULL_CHARACTER", {}),
        "filter.phone_codes": ("TOO_MANY_ENTRIES", {"max": 1000, "count": 1001}),
        "end_time": ("REQUIRED", {}),
        "local_hours.to": ("NOT_TIME_OF_DAY", {}),
        "rate_limit": ("BAD_RATE", {"max": "100000"}),
        "on_uncertain": ("NOT_A_CHOICE", {"choices": "resend, not_sent"}),
    }


def test_an_empty_text_where_there_must_be_one_is_said_to_be_empty() -> None:
    assert found(mailing(provider="", sender="")) == {"provider": ("EMPTY", {}), "sender": ("EMPTY", {})}
    assert found(mailing(provider="\0")) == {"provider": ("NULL_CHARACTER", {})}
    assert found(mailing()) == {}


def test_whole_numbers_that_callers_write_have_a_range_without_a_rule() -> None:
    range = {"min": 0, "max": 2**63 - 1}
    filter = mailing_pb2.AudienceFilter(client_ids=[0, -1], messages=mailing_pb2.MessageCondition(mailing_id=-(2**63)))
    assert found(mailing(id=-1, segments=-1, filter=filter)) == {
        "filter.client_ids[1]": ("OUT_OF_RANGE", range),
        "filter.messages.mailing_id": ("OUT_OF_RANGE", range),
    }
    assert found(client_service_pb2.ListClientsRequest(page_size=-1, skip=-1)) == {}  # see engine.api.paging


@pytest.mark.parametrize("rate", [-1.0, 0.0, 100_000.5, float("nan"), float("inf")])
def test_rates_that_are_none(rate: float) -> None:
    assert found(mailing(rate_limit=rate)).keys() == {"rate_limit"}


@pytest.mark.parametrize(
    ("code", "good"), [("", True), ("9" * 16, True), ("9" * 17, False), ("9\n", False), ("٣", False)]
)
def test_patterns_match_the_whole(code: str, good: bool) -> None:
    assert (found(client_pb2.Client(phone_code=code)) == {}) is good


def test_codes_of_an_import_are_those_of_a_client() -> None:
    row = client_service_pb2.ImportClientsRow(phone_number="7", tag="\0", phone_code="x")
    assert {path: code for path, (code, _) in found(row).items()} == {
        "phone_code": "NOT_DIGITS_OR_EMPTY",
        "tag": "NULL_CHARACTER",
    }


def test_requests() -> None:
    assert found(engine_service_pb2.UpdateEngineRequest(workers=0)) == {
        "workers": ("OUT_OF_RANGE", {"min": 1, "max": 10000})
    }
    account = access_service_pb2.CreateAccountRequest(name="m m", password="short")
    assert found(account) == {
        "name": ("BAD_ACCOUNT_NAME", {"max": "64"}),
        "role": ("REQUIRED", {}),
        "password": ("BAD_LENGTH", {"min": 8, "max": 256, "count": 5}),
    }
    request = client_service_pb2.CreateClientRequest(client=client_pb2.Client(tag="x" * 65))
    assert found(request) == {"client.tag": ("TOO_LONG", {"max": 64, "count": 65})}


def test_codes_are_those_of_the_table() -> None:
    """Each code that the contract names is one of the table's, and has the values that its sentence needs."""
    problems = [field.rules.problem for field in FIELDS if field.rules.HasField("problem")]
    assert len(problems) > 8
    for problem in problems:
        fault = ErrorCode[problem.code].format(**problem.values)
        assert dict(fault.arguments) == dict(problem.values)
    for code, values in found(mailing(text="", filter=mailing_pb2.AudienceFilter(tags=["x"] * 1001))).values():
        assert ErrorCode[code].format(**values)


def test_what_has_no_rules() -> None:
    assert not has_rules(client_service_pb2.ListClientFacetsRequest.DESCRIPTOR)
    assert found(client_service_pb2.GetClientRequest(client_id=5)) == {}
