"""GetReport and MailReport over a real server and a real store."""

from __future__ import annotations

import pytest
from grpc import StatusCode

from mailing.v1.engine_service_pb2 import GetReportRequest, MailReportRequest
from tests.api.conftest import Api, refusal


async def test_a_report_is_read_for_any_day(api: Api) -> None:
    await api.add_clients(3)
    mailing = await api.add_mailing(text="hello")
    await api.deliver(mailing.id, 2)
    yesterday = await api.engine.GetReport(GetReportRequest())
    assert (yesterday.date, yesterday.subject) == (
        *("2027-01-14", "Mailings on Thursday, 14 January 2027: nothing was sent"),
    )
    today = await api.engine.GetReport(GetReportRequest(date="2027-01-15"))
    assert today.subject.endswith(": 2 sent")
    assert f"{mailing.id}. hello" in today.text
    assert f"{mailing.id}. hello" in today.html


@pytest.mark.parametrize("date", ["yesterday", "20270115", "2027-W02-5", "2027-02-30", "1970-01-01", "9999-12-31"])
async def test_what_is_no_date_is_refused(api: Api, date: str) -> None:
    for call in (
        api.engine.GetReport(GetReportRequest(date=date)),
        api.engine.MailReport(MailReportRequest(date=date)),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.fields) == (
            *(StatusCode.INVALID_ARGUMENT, {"date": "must be a date like 2026-11-29"}),
        )


async def test_without_a_mail_server_nothing_is_mailed(api: Api) -> None:
    refused = await refusal(api.engine.MailReport(MailReportRequest()))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "REPORT_NOT_MAILED")
    assert "MAILING_REPORT_TO" in refused.message
