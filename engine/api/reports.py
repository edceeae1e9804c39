"""What the API asks about the daily report."""

from __future__ import annotations

from datetime import date

from common.error_codes import ErrorCode
from engine.domain.access import Impossible
from engine.domain.daily import FIRST_DATE, LAST_DATE
from engine.domain.errors import FieldError, InvalidInput
from engine.report.mail import NotMailed
from engine.report.reporter import Reporter
from mailing.v1 import engine_service_pb2 as service


class Reports:
    """``GetReport`` and ``MailReport``."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def get(self, request: service.GetReportRequest) -> service.Report:
        """The report as it would be mailed now."""
        letter = await self._reporter.letter(self._day(request.date))
        return service.Report(date=letter.key, subject=letter.subject, text=letter.text, html=letter.html)

    async def mail(self, request: service.MailReportRequest) -> service.MailReportResponse:
        """Mail it at once."""
        day = self._day(request.date)
        try:
            refused = await self._reporter.mail(day)
        except NotMailed as error:
            raise Impossible(ErrorCode.REPORT_NOT_MAILED.format(reason=error)) from None
        said = [f"{address}: {words}" for address, words in refused.items()]
        return service.MailReportResponse(date=day.isoformat(), refused=said)

    def _day(self, text: str) -> date:
        if not text:
            return self._reporter.latest_due()
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        # Python also takes 20261129 and 2026-W48-7.
        if day is None or day.isoformat() != text or not FIRST_DATE <= day <= LAST_DATE:
            raise InvalidInput([FieldError("date", ErrorCode.NOT_DATE.format())])
        return day
